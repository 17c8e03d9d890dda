/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The last 64 ports, of TCP or of UDP, that the kernel chose for a bind() and that were closed without a connection: how a
 * program asks for a free port, to give its number to another one.
 */
#ifndef PORTTRACE_MODEL_RESERVATION_RING_H
#define PORTTRACE_MODEL_RESERVATION_RING_H

#include <stdint.h>

#include "porttrace/wire.h"

#define RESERVATIONS_MAX     64
#define RESERVATION_VALID_NS 60000000000ULL

struct reservation {
	uint64_t cookie;	 /* 0: free */
	uint64_t closed_boot_ns;
	struct wire_task task;	 /* that closed it */
	uint32_t netns;
	uint16_t port;
};

struct reservation_ring {
	struct reservation reservations[RESERVATIONS_MAX];
	unsigned int next;	 /* the oldest: the next to be overwritten */
};

/* A socket was closed, or its port released, by `task`. Ignores sockets that were no reservation. */
void reservation_ring_add(struct reservation_ring *ring, const struct wire_sock *sock, const struct wire_task *task,
			  uint64_t boot_ns);
/* The last one of this port that ended in the RESERVATION_VALID_NS before now; NULL: none. */
const struct reservation *reservation_ring_find(const struct reservation_ring *ring, uint32_t netns, uint16_t port,
						uint64_t now_boot_ns);

#endif
