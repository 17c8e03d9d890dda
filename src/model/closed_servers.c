/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/closed_servers.h"

void closed_servers_add(struct closed_servers *ring, const struct closed_server *server)
{
	ring->servers[ring->next] = *server;
	ring->next = (ring->next + 1) % CLOSED_SERVERS_MAX;
}

const struct closed_server *closed_servers_get(const struct closed_servers *ring, unsigned int age)
{
	const struct closed_server *server;

	if (age >= CLOSED_SERVERS_MAX)
		return NULL;
	server = &ring->servers[(ring->next + CLOSED_SERVERS_MAX - 1 - age) % CLOSED_SERVERS_MAX];
	return server->closed_boot_ns ? server : NULL;
}
