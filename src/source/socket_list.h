/* SPDX-License-Identifier: GPL-2.0-only */
/* The result of a lookup: an array of bounded size, and whether it is complete. */
#ifndef PORTTRACE_SOURCE_SOCKET_LIST_H
#define PORTTRACE_SOURCE_SOCKET_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

#define SOCKET_LIST_MAX 16384

/* Begins zeroed. The memory is kept from one lookup to the next. */
struct socket_list {
	struct wire_socket *sockets;
	size_t count, capacity;
	bool is_complete; /* false: more was found than fits, or the lookup failed or ran out of time */
	uint64_t took_ns; /* CPU time of the lookup */
};

void socket_list_done(struct socket_list *list);
/* Empties the list and marks it as complete. */
void socket_list_clear(struct socket_list *list);
/* Adds a copy. If the list is full or no memory is left, marks the list as incomplete. */
void socket_list_add(struct socket_list *list, const struct wire_socket *socket);
/* A source_event_fn that adds the sockets of a scan; `list` is the context. */
void socket_list_add_event(void *list, const void *data, size_t size);

#endif
