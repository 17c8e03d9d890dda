/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last listeners, and UDP sockets bound to a given port, that were closed: whose server a refused connect()
 * missed. Connections are not kept, so 64 of them reach far back.
 */
#ifndef PORTTRACE_MODEL_CLOSED_SERVERS_H
#define PORTTRACE_MODEL_CLOSED_SERVERS_H

#include "model/model.h"

#define CLOSED_SERVERS_MAX 64

struct closed_servers {
	struct closed_server servers[CLOSED_SERVERS_MAX]; /* closed_boot_ns 0: free */
	unsigned int next;				  /* the oldest: the next to be overwritten */
};

void closed_servers_add(struct closed_servers *ring, const struct closed_server *server);
/* age 0: the last one closed. NULL: no more. */
const struct closed_server *closed_servers_get(const struct closed_servers *ring, unsigned int age);

#endif
