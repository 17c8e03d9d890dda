/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/current_holders.h"

#include <errno.h>
#include <stdlib.h>

#include "model/wire_filter.h"

/* A snapshot is filtered in the kernel, a capture is not. */
static bool is_watched(const struct settings *settings, const struct port_entry *entry)
{
	const struct wire_socket event = {
		.hdr = {.size = sizeof(event), .kind = WIRE_SOCKET},
		.sock = entry->sock,
		.task = *port_entry_task(entry),
	};

	return wire_filter(settings, &event.hdr);
}

/* The one that is returned comes last: looking up another may move it. */
static const struct process *look_up_processes(struct lookup *lookup, const struct port_entry *entry)
{
	for (const struct port_fd *fd = entry->fds; fd; fd = fd->next)
		process_lookup_origin(lookup, &fd->task);
	return process_lookup_origin(lookup, port_entry_task(entry));
}

static unsigned int rank(const struct wire_sock *sock)
{
	return sock->state == WIRE_TCP_LISTEN ? 0 : !sock->remote_port ? 1 : sock->state == WIRE_TCP_TIME_WAIT ? 3 : 2;
}

/* Listeners first, then bound sockets, connections and TIME_WAITs. */
static int compare(const void *left, const void *right)
{
	const struct wire_sock *a = &(*(const struct port_entry *const *)left)->sock;
	const struct wire_sock *b = &(*(const struct port_entry *const *)right)->sock;

	if (rank(a) != rank(b))
		return rank(a) < rank(b) ? -1 : 1;
	if (a->local_port != b->local_port)
		return a->local_port < b->local_port ? -1 : 1;
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	return (a->cookie > b->cookie) - (a->cookie < b->cookie);
}

int current_holders_report(struct lookup *lookup, const struct stream_config *config, const struct renderer *renderer,
			   struct render *render, uint64_t now_boot_ns)
{
	const struct port_table *ports = model_ports(lookup->model);
	const struct port_entry **entries;
	size_t count = 0;

	if (!config->settings->local_ports.used || !renderer->now)
		return 0;
	entries = calloc(port_table_count(ports) + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (const struct port_entry *entry = NULL; (entry = port_table_next(ports, entry));) {
		if (is_watched(config->settings, entry))
			entries[count++] = entry;
	}
	qsort(entries, count, sizeof(*entries), compare);
	for (size_t i = 0; i < count; i++) {
		const struct port_report report = {
			.entry = entries[i],
			.process = look_up_processes(lookup, entries[i]),
			.processes = model_processes(lookup->model),
			.interface = interface_lookup(lookup, &entries[i]->sock),
			.boot_ns = now_boot_ns,
		};

		renderer->now(render, &report);
	}
	renderer->now(render, NULL);
	free(entries);
	return 0;
}
