/* SPDX-License-Identifier: GPL-2.0-only */
/* The table: fact x backend -> programs. A backend is a column, a fact is a row. */
#include "source/hooks.h"

/* clang-format off */
#define TRACEPOINT(...) .programs[BACKEND_TRACEPOINT] = {__VA_ARGS__}

const struct hook hooks[FACT_COUNT] = {
	[FACT_BIND] = {
		FACT_BIND, "bind", "binds and their errors",
		"every system call of the machine takes the traced path: 55 ns, a third of a getppid()",
		TRACEPOINT("tracepoint_exit_bind"), .entry = "tracepoint_enter_bind",
	},
	[FACT_LISTEN] = {
		FACT_LISTEN, "listen", "listening sockets and their errors",
		"as bind",
		TRACEPOINT("tracepoint_exit_listen"), .entry = "tracepoint_enter_listen",
	},
	[FACT_CONNECT] = {
		FACT_CONNECT, "connect", "outgoing TCP connections and their ports",
		"a sockops program runs some ten times in a TCP connection's life",
		TRACEPOINT("tracepoint_sockops"),
	},
	[FACT_CONNECT_RESULT] = {
		FACT_CONNECT_RESULT, "connect-result", "refused connects, and UDP connects",
		"as bind",
		TRACEPOINT("tracepoint_exit_connect"), .entry = "tracepoint_enter_connect",
	},
	[FACT_IMPLICIT_BIND] = {
		FACT_IMPLICIT_BIND, "implicit-bind", "ports taken by a UDP send without bind()",
		"a short program runs at every send of any socket",
		TRACEPOINT("tracepoint_send"),
	},
	[FACT_IO_URING] = {
		FACT_IO_URING, "io-uring", "binds, listens and refused connects by io_uring",
		"a short program runs at every request of an io_uring, twice",
		TRACEPOINT("tracepoint_uring_submit", "tracepoint_uring"),
	},
	[FACT_ACCEPT] = {
		FACT_ACCEPT, "accept", "accepted connections (only with -e accept)",
		"as bind",
		TRACEPOINT("tracepoint_exit_accept", "tracepoint_exit_accept4"),
	},
	[FACT_CLOSE] = {
		FACT_CLOSE, "close", "who lets go of a port",
		"a short program runs at every close of an internet socket",
		TRACEPOINT("tracepoint_sock_release"),
	},
	[FACT_TCP_END] = {
		FACT_TCP_END, "tcp-end", "what ended a connection, and TIME_WAIT",
		"a short program runs some ten times in a TCP connection's life",
		TRACEPOINT("tracepoint_tcp_state"),
	},
	[FACT_IDENTITY] = {
		FACT_IDENTITY, "identity", "one identity of a socket over all its events",
		"a short program runs at every socket()",
		TRACEPOINT("tracepoint_sock_create"),
	},
	[FACT_ASKED] = {
		FACT_ASKED, "cgroup", "what BPF programs of a cgroup make of a bind or connect, or refuse",
		"a short program runs at every bind() and connect(): 0.3 us",
		TRACEPOINT("asked_bind4", "asked_bind6", "asked_connect4", "asked_connect6"),
	},
};
/* clang-format on */

const char *hook_program(enum fact fact, enum backend backend, bool needs_entry, int index)
{
	const struct hook *hook = &hooks[fact];

	if (backend == BACKEND_TRACEPOINT && needs_entry && hook->entry) {
		if (!index)
			return hook->entry;
		index--;
	}
	return index < HOOK_PROGRAMS_MAX ? hook->programs[backend][index] : NULL;
}

const char *backend_name(enum backend backend)
{
	static const char *const names[BACKEND_COUNT] = {
		[BACKEND_FENTRY] = "fentry",
		[BACKEND_KPROBE] = "kprobe",
		[BACKEND_TRACEPOINT] = "tracepoint",
	};

	return names[backend];
}
