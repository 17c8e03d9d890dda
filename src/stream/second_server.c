/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/second_server.h"

#include <string.h>

#include "util/protocol.h"

#define LOOKS_MAX 100 /* a second: each walks the port table */

/* Where a server begins to serve: TCP with listen(), UDP with bind(). */
static bool is_new_server(const struct wire_hdr *event)
{
	const struct wire_sock *sock = wire_sock_of(event);
	bool is_udp = sock && protocol_is_udp(sock->protocol);

	if (wire_error_of(event) || event->kind != (is_udp ? WIRE_BIND : WIRE_LISTEN))
		return false;
	return !is_udp || wire_sock_is_server(sock);
}

static bool may_look(struct second_server_finder *finder, uint64_t boot_ns)
{
	uint64_t second = boot_ns / 1000000000;

	if (second != finder->second) {
		finder->second = second;
		finder->looked_at = 0;
	}
	return finder->looked_at++ < LOOKS_MAX;
}

static bool is_known(struct second_server_finder *finder, enum second_server kind, const struct server *before,
		     const struct server *now)
{
	struct second_server_known pair = {.kind = kind, .netns = now->sock->netns, .port = now->sock->local_port,
					   .protocol = now->sock->protocol};
	size_t count = sizeof(finder->known) / sizeof(finder->known[0]);

	memcpy(pair.comms[0], before->task->comm, sizeof(pair.comms[0]));
	memcpy(pair.comms[1], now->task->comm, sizeof(pair.comms[1]));
	for (size_t i = 0; i < count; i++) {
		if (memcmp(&finder->known[i], &pair, sizeof(pair)) == 0)
			return true;
	}
	finder->known[finder->next] = pair;
	finder->next = (finder->next + 1) % count;
	return false;
}

/* A lookup may move the result of another, so the first one is copied. */
static bool run_same_program(struct lookup *lookup, const struct wire_task *a, const struct wire_task *b)
{
	const struct process *found = process_lookup_origin(lookup, a);
	struct process process = {0};

	if (found)
		process = *found;
	return is_same_program(a, found ? &process : NULL, b, process_lookup_origin(lookup, b));
}

bool second_server_find(struct second_server_finder *finder, struct lookup *lookup, const struct wire_hdr *event,
			struct warning *warning)
{
	const struct port_table *ports = model_ports(lookup->model);
	struct server now = {.sock = wire_sock_of(event), .task = wire_task_of(event)};

	if (!is_new_server(event) || !now.task->pid || !may_look(finder, event->boot_ns))
		return false;
	for (const struct port_entry *entry = NULL; (entry = port_table_next(ports, entry));) {
		struct server before = {.sock = &entry->sock, .task = port_entry_task(entry)};
		enum second_server kind;

		if (entry->sock.local_port != now.sock->local_port || !wire_sock_is_server(&entry->sock) || !before.task->pid)
			continue;
		kind = second_server_of(before.sock, now.sock);
		if (kind == SECOND_SERVER_NONE || run_same_program(lookup, before.task, now.task) ||
		    is_known(finder, kind, &before, &now))
			continue;
		warning_of_second_server(kind, &before, &now, warning);
		return true;
	}
	return false;
}
