/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stream/netns_entry.h"

struct found {
	struct port_report *reports; /* those whose port is not reserved first */
	size_t count, unreserved;
};

static int compare(const void *left, const void *right)
{
	const struct wire_sock *a = &((const struct port_report *)left)->entry->sock;
	const struct wire_sock *b = &((const struct port_report *)right)->entry->sock;

	if (a->local_port != b->local_port)
		return a->local_port < b->local_port ? -1 : 1;
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return (a->cookie > b->cookie) - (a->cookie < b->cookie);
}

/* A port that the kernel chose for a server is meant to be in the range. */
static bool is_wanted(const struct port_entry *entry, uint32_t netns, const struct audit_settings *settings)
{
	const struct wire_sock *sock = &entry->sock;

	return sock->netns == netns && sock->local_port >= settings->range_low && sock->local_port <= settings->range_high &&
	       !(sock->flags & WIRE_PORT_EPHEMERAL) && wire_sock_is_server(sock);
}

/* `pass` 0: those that are not reserved; 1: the others. */
static void find(struct lookup *lookup, uint32_t netns, const struct audit_settings *settings, int pass,
		 struct found *found)
{
	const struct port_table *ports = model_ports(lookup->model);
	size_t first = found->count;

	for (const struct port_entry *entry = NULL; (entry = port_table_next(ports, entry));) {
		if (is_wanted(entry, netns, settings) && settings->reserved[entry->sock.local_port] == pass)
			found->reports[found->count++].entry = entry;
	}
	if (found->count > first)
		qsort(found->reports + first, found->count - first, sizeof(*found->reports), compare);
}

/* All are looked up before the first is used: a lookup may move the results of others. */
static void look_up_processes(struct lookup *lookup, const struct found *found, uint64_t now_boot_ns)
{
	for (size_t i = 0; i < found->count; i++) {
		for (const struct port_fd *fd = found->reports[i].entry->fds; fd; fd = fd->next)
			process_lookup_origin(lookup, &fd->task);
		process_lookup_origin(lookup, port_entry_task(found->reports[i].entry));
	}
	for (size_t i = 0; i < found->count; i++) {
		struct port_report *report = &found->reports[i];

		report->processes = model_processes(lookup->model);
		report->process = process_lookup_origin(lookup, port_entry_task(report->entry));
		report->interface = interface_lookup(lookup, &report->entry->sock);
		report->boot_ns = now_boot_ns;
	}
}

int audit_report(struct lookup *lookup, uint32_t netns, const struct audit_settings *settings,
		 const struct renderer *renderer, struct render *render, uint64_t now_boot_ns)
{
	struct found found = {.reports = calloc(port_table_count(model_ports(lookup->model)) + 1, sizeof(*found.reports))};
	char *reserved = netns_format_reserved(settings->reserved), *wanted = NULL;
	struct netns_entry_command entry = {0};
	uint8_t *merged = malloc(sizeof(settings->reserved));
	int err = -ENOMEM;

	if (!found.reports || !reserved || !merged)
		goto out;
	find(lookup, netns, settings, 0, &found);
	found.unreserved = found.count;
	find(lookup, netns, settings, 1, &found);
	look_up_processes(lookup, &found, now_boot_ns);
	memcpy(merged, settings->reserved, sizeof(settings->reserved));
	for (size_t i = 0; i < found.unreserved; i++)
		merged[found.reports[i].entry->sock.local_port] = 1;
	wanted = netns_format_reserved(merged);
	if (!wanted)
		goto out;
	renderer->audit(render, &(struct audit_report){
		.boot_ns = now_boot_ns,
		.netns = netns,
		.range_low = settings->range_low,
		.range_high = settings->range_high,
		.reserved = reserved,
		.wanted = found.unreserved ? wanted : NULL,
		.enter = netns_entry_find(&entry, lookup->source, netns, now_boot_ns),
		.servers = found.reports,
		.count = found.count,
		.unreserved = found.unreserved,
	});
	err = 0;
out:
	free(found.reports);
	free(reserved);
	free(wanted);
	free(merged);
	return err;
}
