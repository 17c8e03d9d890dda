/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/reservation_ring.h"

#include <stdbool.h>
#include <stddef.h>

static bool is_reservation(const struct wire_sock *sock)
{
	return sock->cookie && sock->local_port && !sock->remote_port &&
	       (sock->flags & (WIRE_PORT_EPHEMERAL | WIRE_ACCEPTED | WIRE_KERNEL_OWNED)) == WIRE_PORT_EPHEMERAL;
}

/* The close and the release of one socket are both reported. */
static bool is_known(const struct reservation_ring *ring, uint64_t cookie)
{
	for (size_t i = 0; i < RESERVATIONS_MAX; i++) {
		if (ring->reservations[i].cookie == cookie)
			return true;
	}
	return false;
}

void reservation_ring_add(struct reservation_ring *ring, const struct wire_sock *sock, const struct wire_task *task,
			  uint64_t boot_ns)
{
	if (!is_reservation(sock) || !task->pid || is_known(ring, sock->cookie))
		return;
	ring->reservations[ring->next] = (struct reservation){
		.cookie = sock->cookie,
		.closed_boot_ns = boot_ns,
		.task = *task,
		.netns = sock->netns,
		.port = sock->local_port,
	};
	ring->next = (ring->next + 1) % RESERVATIONS_MAX;
}

const struct reservation *reservation_ring_find(const struct reservation_ring *ring, uint32_t netns, uint16_t port,
						uint64_t now_boot_ns)
{
	for (unsigned int age = 1; age <= RESERVATIONS_MAX; age++) {
		const struct reservation *found =
			&ring->reservations[(ring->next + RESERVATIONS_MAX - age) % RESERVATIONS_MAX];

		if (found->cookie && found->port == port && found->netns == netns &&
		    found->closed_boot_ns <= now_boot_ns &&
		    now_boot_ns - found->closed_boot_ns < RESERVATION_VALID_NS)
			return found;
	}
	return NULL;
}
