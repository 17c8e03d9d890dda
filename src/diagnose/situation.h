/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A copy of a refused call and of the sockets on its port, in which a remedy is tried before it is advised.
 *
 * Pure. The changes are what Linux does to a socket when its processes end or when it is destroyed
 * (tcp_close(), tcp_abort() in net/ipv4/tcp.c, udp_abort() in net/ipv4/udp.c); the verdict is that of
 * diagnose_verdict().
 */
#ifndef PORTTRACE_DIAGNOSE_SITUATION_H
#define PORTTRACE_DIAGNOSE_SITUATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diagnose/diagnose.h"

struct situation {
	struct claim claim;
	struct wire_sock socks[FAILURE_HOLDERS_MAX];	/* in the kernel's order, as in struct failure */
	const struct holder *holders[FAILURE_HOLDERS_MAX]; /* what each of them was; borrowed */
	size_t count;
};

/* Copies. `failure` may be NULL; its holders stay borrowed. */
void situation_init(struct situation *situation, const struct claim *claim, const struct failure *failure);

void situation_copy(struct situation *to, const struct situation *from);

/* Whether socks[index] refuses the claim by itself. */
bool situation_refuses(const struct situation *situation, size_t index);

/* The errno that bind(), listen() or connect() would give now; 0: it would work. */
uint32_t situation_verdict(const struct situation *situation, const struct netns_entry *netns);

/* No process has the socket open any more: its last process closed it or ended. */
bool situation_is_closed(const struct wire_sock *sock);

/* A connection in the queue of a listener: no process has it open, and it is reset when the listener closes. */
bool situation_is_queued(const struct situation *situation, size_t index);

/*
 * Every process that has socks[index] open ends. A listener goes with its queue, and so do a socket that is only bound
 * and a UDP socket. A connection stays as TIME_WAIT (FIN_WAIT2 first) and refuses as before, unless its peer closed
 * first.
 */
void situation_close(struct situation *situation, size_t index);

/* socks[index] is gone, and its port with it. */
void situation_drop(struct situation *situation, size_t index);

/*
 * SOCK_DESTROY (`ss -K`). false: that does not release the port. A connection whose port was bound by number keeps
 * it until its process closes the socket, and so do a listener and a socket that is only bound.
 */
bool situation_destroy(struct situation *situation, size_t index);

#endif
