/* SPDX-License-Identifier: GPL-2.0-only */
/* The words before a command that make it run in another network namespace. */
#ifndef PORTTRACE_STREAM_NETNS_ENTRY_H
#define PORTTRACE_STREAM_NETNS_ENTRY_H

#include <stdint.h>

#include "diagnose/command.h"
#include "diagnose/diagnose.h"
#include "source/source.h"

/* Starts zeroed. */
struct netns_entry_command {
	struct command command; /* is_cut: no command can enter it */
	uint32_t netns;		/* 0: none was looked up yet */
	uint64_t found_boot_ns;
};

/* "ip netns exec blue ", "" in porttrace's own, NULL: no command can enter it. Looks it up at most once a second; borrows
 * from *entry. */
const char *netns_entry_find(struct netns_entry_command *entry, struct source *source, uint32_t netns,
			     uint64_t now_boot_ns);

/*
 * Sets claim->enter and claim->is_unreachable for the claim's network namespace; claim->enter borrows from *entry.
 */
void netns_entry_set(struct netns_entry_command *entry, struct source *source, struct claim *claim, uint64_t now_boot_ns);

#endif
