/* SPDX-License-Identifier: GPL-2.0-only */
/* Two programs that serve one port: on one name, or in one group of sockets. Pure. */
#ifndef PORTTRACE_DIAGNOSE_SECOND_SERVER_H
#define PORTTRACE_DIAGNOSE_SECOND_SERVER_H

#include <stdbool.h>

#include "diagnose/warning.h"

enum second_server {
	SECOND_SERVER_NONE,
	SECOND_SERVER_LOCALHOST, /* one answers at 127.0.0.1, the other at ::1 */
	SECOND_SERVER_GROUP,	 /* both are in one SO_REUSEPORT group */
	SECOND_SERVER_SHARED,	 /* UDP, both with SO_REUSEADDR on one address: one of them gets every unicast datagram */
};

/* How two servers meet (wire_sock_is_server()). */
enum second_server second_server_of(const struct wire_sock *before, const struct wire_sock *now);
/* Whether the two processes run the same program: the same executable, and, where it is an interpreter, with the same
 * arguments, or one as the child of the other. NULL: nothing is known from /proc; then the names count. */
bool is_same_program(const struct wire_task *a, const struct process *a_process, const struct wire_task *b,
		     const struct process *b_process);

/* A socket and its process. */
struct server {
	const struct wire_sock *sock;
	const struct wire_task *task;
};

/* Fills *warning, which borrows nothing. */
void warning_of_second_server(enum second_server kind, const struct server *before, const struct server *now,
			      struct warning *warning);

#endif
