/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists TCP and UDP sockets by sock_diag(7), which needs no privileges. It finds every socket that has a port, except
 * TCP sockets that neither listen nor are connected on kernels before 6.8.
 */
#ifndef PORTTRACE_SYSTEM_INET_SOCKETS_H
#define PORTTRACE_SYSTEM_INET_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "porttrace/wire.h"

struct nlmsghdr;

/* Bits of inet_sockets_query.states. */
#define INET_SOCKETS_ALL	    UINT32_MAX
#define INET_SOCKETS_BOUND_INACTIVE (1U << 13) /* TCP_BOUND_INACTIVE in include/net/tcp_states.h, 6.8: neither listens nor
						* is connected */

struct inet_sockets_query {
	uint32_t netns;	   /* inode number of the network namespace of this thread */
	uint16_t protocol; /* IPPROTO_TCP, _UDP, _UDPLITE, _MPTCP */
	uint16_t port;	   /* local; 0: every port */
	uint32_t states;   /* 1 << TCP_* of include/net/tcp_states.h */
};

typedef void (*inet_sockets_fn)(void *context, const struct wire_socket *socket);

/*
 * Passes each socket on, with fd -1 and without a time and a process. sock.unknown has what sock_diag does not report.
 * The subflows of MPTCP are among the sockets of TCP. 0; -ENOENT: this kernel cannot list the protocol; or -errno.
 */
int inet_sockets_list(const struct inet_sockets_query *query, inet_sockets_fn found, void *context);

/* The socket of one message of the answer. false: the message has none, is too short, or is not of this query. */
bool inet_sockets_parse(const struct nlmsghdr *message, const struct inet_sockets_query *query, struct wire_socket *socket);

#endif
