/* SPDX-License-Identifier: GPL-2.0-only */
/* Grows by doubling, up to SOCKET_LIST_MAX. */
#include "source/socket_list.h"

#include <stdlib.h>
#include <string.h>

void socket_list_done(struct socket_list *list)
{
	free(list->sockets);
	*list = (struct socket_list){0};
}

void socket_list_clear(struct socket_list *list)
{
	list->count = 0;
	list->took_ns = 0;
	list->is_complete = true;
}

static bool grow(struct socket_list *list)
{
	size_t capacity = list->capacity ? 2 * list->capacity : 16;
	struct wire_socket *sockets;

	if (list->capacity >= SOCKET_LIST_MAX)
		return false;
	sockets = realloc(list->sockets, capacity * sizeof(*sockets));
	if (!sockets)
		return false;
	list->sockets = sockets;
	list->capacity = capacity;
	return true;
}

void socket_list_add(struct socket_list *list, const struct wire_socket *socket)
{
	if (list->count == list->capacity && !grow(list)) {
		list->is_complete = false;
		return;
	}
	list->sockets[list->count++] = *socket;
}

void socket_list_add_event(void *list, const void *data, size_t size)
{
	struct wire_socket socket = {0};

	memcpy(&socket, data, size < sizeof(socket) ? size : sizeof(socket));
	if (socket.hdr.kind == WIRE_SOCKET)
		socket_list_add(list, &socket);
}
