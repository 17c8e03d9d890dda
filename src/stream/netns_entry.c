/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/netns_entry.h"

#include <string.h>

#include "system/netns_name.h"

#define ENTRY_VALID_NS 1000000000ULL

static void find_entry(struct netns_entry_command *entry, struct source *source, uint32_t netns, uint64_t now_boot_ns)
{
	const char *name;
	char path[256];

	if (entry->netns == netns && now_boot_ns - entry->found_boot_ns < ENTRY_VALID_NS)
		return;
	*entry = (struct netns_entry_command){.netns = netns, .found_boot_ns = now_boot_ns};
	if (source->ops->netns_path(source, netns, path, sizeof(path))) {
		entry->command.is_cut = true;
		return;
	}
	if (!path[0])
		return;
	/* A name outlives the process by which the namespace was found. */
	name = netns_name(netns);
	if (!name || strcmp(name, "host") == 0)
		name = netns_name_of_mount(path);
	if (name) {
		command_append(&entry->command, "ip netns exec ");
		command_append_word(&entry->command, name);
	} else {
		command_append(&entry->command, "nsenter --net=");
		command_append_word(&entry->command, path);
	}
	command_append(&entry->command, " ");
}

const char *netns_entry_find(struct netns_entry_command *entry, struct source *source, uint32_t netns,
			     uint64_t now_boot_ns)
{
	find_entry(entry, source, netns, now_boot_ns);
	return entry->command.is_cut ? NULL : command_text(&entry->command);
}

void netns_entry_set(struct netns_entry_command *entry, struct source *source, struct claim *claim, uint64_t now_boot_ns)
{
	const char *enter = netns_entry_find(entry, source, claim->sock.netns, now_boot_ns);

	claim->enter = enter ? enter : "";
	claim->is_unreachable = !enter;
}
