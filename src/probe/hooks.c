/* SPDX-License-Identifier: GPL-2.0-only */
/* The table: fact x backend -> programs. A backend is a column, a fact is a row, and a way is one choice
 * of functions, for they differ between kernels. */
#include "probe/hooks.h"

/* clang-format off */
#define WAY(...) {.programs = {__VA_ARGS__}}
#define RETURNS(...) {.programs = {__VA_ARGS__}, .needs = HOOK_NEEDS_CALL_REGS}
#define COOKIES(...) {.programs = {__VA_ARGS__}, .needs = HOOK_NEEDS_COOKIES}
#define IDENTITY_WAYS COOKIES("tracepoint_sock_create"), \
		      WAY("tracepoint_sock_create", "tracepoint_accept_cookie")
#define FENTRY(...) .ways[BACKEND_FENTRY] = {__VA_ARGS__}
#define KPROBE(...) .ways[BACKEND_KPROBE] = {__VA_ARGS__}
#define TRACEPOINT(...) .ways[BACKEND_TRACEPOINT] = {__VA_ARGS__}

#define CGROUP_WAY WAY("cgroup_bind4", "cgroup_bind6", "cgroup_connect4", "cgroup_connect6")

const struct hook hooks[FACT_COUNT] = {
	[FACT_BIND] = {
		FACT_BIND, "bind", "binds and their errors",
		"every system call of the machine takes the traced path: 55 ns, a third of a getppid()",
		FENTRY(WAY("fentry_bind_enter", "fentry_bind", "fentry_bind_socket_enter",
			   "fentry_bind_socket", "fentry_kernel_bind"),
		       WAY("fentry_bind_enter", "fentry_bind", "fentry_kernel_bind")),
		KPROBE(WAY("kprobe_bind", "kprobe_bind_exit",
			   "kprobe_bind_socket", "kprobe_bind_socket_exit",
			   "kprobe_kernel_bind", "kprobe_kernel_bind_exit"),
		       WAY("kprobe_bind", "kprobe_bind_exit",
			   "kprobe_kernel_bind", "kprobe_kernel_bind_exit")),
		TRACEPOINT(RETURNS("tracepoint_exit_bind"),
			   WAY("tracepoint_enter_bind", "tracepoint_exit_bind")),
	},
	[FACT_LISTEN] = {
		FACT_LISTEN, "listen", "listening sockets and their errors",
		"as bind",
		FENTRY(WAY("fentry_listen_enter", "fentry_listen", "fentry_listen_socket_enter",
			   "fentry_listen_socket", "fentry_kernel_listen"),
		       WAY("fentry_listen_enter", "fentry_listen", "fentry_kernel_listen")),
		KPROBE(WAY("kprobe_listen", "kprobe_listen_exit",
			   "kprobe_listen_socket", "kprobe_listen_socket_exit",
			   "kprobe_kernel_listen", "kprobe_kernel_listen_exit"),
		       WAY("kprobe_listen", "kprobe_listen_exit",
			   "kprobe_kernel_listen", "kprobe_kernel_listen_exit")),
		TRACEPOINT(RETURNS("tracepoint_exit_listen"),
			   WAY("tracepoint_enter_listen", "tracepoint_exit_listen")),
	},
	[FACT_CONNECT] = {
		FACT_CONNECT, "connect", "outgoing TCP connections and their ports",
		"a sockops program runs some ten times in a TCP connection's life",
		FENTRY(WAY("fentry_hash_connect", "fentry_hash_connect6")),
		KPROBE(WAY("kprobe_hash_connect_enter", "kprobe_hash_connect",
			   "kprobe_hash_connect6_enter", "kprobe_hash_connect6")),
		TRACEPOINT(WAY("tracepoint_sockops")),
	},
	[FACT_CONNECT_RESULT] = {
		FACT_CONNECT_RESULT, "connect-result", "refused connects, and UDP connects",
		"as bind",
		FENTRY(WAY("fentry_connect")),
		KPROBE(WAY("kprobe_connect", "kprobe_connect_exit",
			   "kprobe_connect6", "kprobe_connect6_exit",
			   "kprobe_dgram_connect", "kprobe_dgram_connect_exit",
			   "kprobe_stream_connect",
			   "kprobe_connect_security", "kprobe_connect_security_exit",
			   "kprobe_pre_connect", "kprobe_pre_connect_exit",
			   "kprobe_pre_connect6", "kprobe_pre_connect6_exit")),
		TRACEPOINT(RETURNS("tracepoint_exit_connect"),
			   WAY("tracepoint_enter_connect", "tracepoint_exit_connect")),
	},
	[FACT_IMPLICIT_BIND] = {
		FACT_IMPLICIT_BIND, "implicit-bind", "ports taken by a UDP send without bind()",
		"a short program runs at every send of any socket",
		FENTRY(WAY("fentry_dgram_connect", "fentry_dgram_connect_exit", "fentry_autobind")),
		KPROBE(WAY("kprobe_autobind", "kprobe_autobind_exit")),
		TRACEPOINT(WAY("tracepoint_send"),
			   RETURNS("tracepoint_exit_sendto", "tracepoint_exit_sendmsg",
				   "tracepoint_exit_sendmmsg"),
			   WAY("tracepoint_enter_sendto", "tracepoint_exit_sendto",
			       "tracepoint_enter_sendmsg", "tracepoint_exit_sendmsg",
			       "tracepoint_enter_sendmmsg", "tracepoint_exit_sendmmsg")),
	},
	[FACT_IO_URING] = {
		FACT_IO_URING, "io-uring", "binds, listens and refused connects by io_uring",
		"a short program runs at every request of an io_uring, twice",
		TRACEPOINT(WAY("tracepoint_uring_submit", "tracepoint_uring"),
			   WAY("tracepoint_uring_submit", "tracepoint_uring_old"),
			   WAY("tracepoint_uring_old")),
		.without = {
			[BACKEND_FENTRY] = "passes the same functions as system calls",
			[BACKEND_KPROBE] = "passes the same functions as system calls",
		},
	},
	[FACT_ACCEPT] = {
		FACT_ACCEPT, "accept", "accepted connections (only with -e accept)",
		"as bind",
		FENTRY(WAY("fentry_accept"), WAY("fentry_graft")),
		KPROBE(WAY("kprobe_accept"), WAY("kprobe_graft")),
		TRACEPOINT(WAY("tracepoint_exit_accept", "tracepoint_exit_accept4")),
	},
	[FACT_CLOSE] = {
		FACT_CLOSE, "close", "who lets go of a port",
		"a short program runs at every close of an internet socket",
		FENTRY(WAY("fentry_release")),
		KPROBE(WAY("kprobe_release")),
		TRACEPOINT(WAY("tracepoint_sock_release")),
	},
	[FACT_TCP_END] = {
		FACT_TCP_END, "tcp-end", "what ended a connection, and TIME_WAIT",
		"a short program runs some ten times in a TCP connection's life",
		FENTRY(WAY("tracepoint_tcp_state", "tracepoint_tcp_state_second")),
		KPROBE(WAY("tracepoint_tcp_state", "tracepoint_tcp_state_second")),
		TRACEPOINT(WAY("tracepoint_sockops_end", "tracepoint_tcp_state"),
			   WAY("tracepoint_tcp_state", "tracepoint_tcp_state_second")),
	},
	[FACT_TIMEWAIT] = {
		FACT_TIMEWAIT, "timewait", "TIME_WAIT's end, reuse and overflow, as they happen",
		NULL,
		FENTRY(WAY("fentry_twsk_alloc", "fentry_twsk_unique", "fentry_twsk_process",
			   "fentry_twsk_deschedule", "fentry_twsk_kill"),
		       WAY("fentry_twsk_alloc", "fentry_twsk_unique", "fentry_twsk_process_old",
			   "fentry_twsk_deschedule", "fentry_twsk_kill")),
		KPROBE(WAY("kprobe_twsk_alloc", "kprobe_twsk_alloc_exit",
			   "kprobe_twsk_unique", "kprobe_twsk_unique_exit",
			   "kprobe_twsk_process", "kprobe_twsk_process_exit",
			   "kprobe_twsk_deschedule", "kprobe_twsk_kill")),
		.cannot = {
			[BACKEND_TRACEPOINT] = "only its begin, by tcp-end; counts are the kernel's own",
		},
	},
	[FACT_SEARCH] = {
		FACT_SEARCH, "port-search", "the time that bind and connect spend looking for a port",
		NULL,
		FENTRY(WAY("fentry_get_port", "fentry_get_port_exit",
			   "fentry_udp_get_port", "fentry_udp_get_port_exit",
			   "fentry_hash_connect_enter", "fentry_hash_connect6_enter")),
		KPROBE(WAY("kprobe_get_port", "kprobe_get_port_exit",
			   "kprobe_udp_get_port", "kprobe_udp_get_port_exit")),
		.cannot = {
			[BACKEND_TRACEPOINT] = "not measured: no tracepoint is around the search",
		},
	},
	[FACT_IDENTITY] = {
		FACT_IDENTITY, "identity", "one identity of a socket over all its events",
		"a short program runs at every socket()",
		FENTRY(IDENTITY_WAYS),
		KPROBE(IDENTITY_WAYS),
		TRACEPOINT(IDENTITY_WAYS),
	},
	[FACT_CGROUP] = {
		FACT_CGROUP, "cgroup", "what BPF programs of a cgroup make of a bind or connect, or refuse",
		"a short program runs at every bind() and connect(): 0.3 us",
		FENTRY(CGROUP_WAY),
		KPROBE(CGROUP_WAY),
		TRACEPOINT(CGROUP_WAY),
	},
	[FACT_SECCOMP] = {
		FACT_SECCOMP, "seccomp", "calls that a seccomp filter refuses",
		NULL,
		.without = {
			[BACKEND_TRACEPOINT] = "the system call returns, as any other",
		},
		/* fexit on __seccomp_filter() would be paid for by every call of every container. */
		.cannot = {
			[BACKEND_FENTRY] = "They reach no function of a socket; --probes=tracepoint shows them",
			[BACKEND_KPROBE] = "They reach no function of a socket; --probes=tracepoint shows them",
		},
	},
};
/* clang-format on */

const char *backend_name(enum backend backend)
{
	static const char *const names[BACKEND_COUNT] = {
		[BACKEND_FENTRY] = "fentry",
		[BACKEND_KPROBE] = "kprobe",
		[BACKEND_TRACEPOINT] = "tracepoint",
	};

	return names[backend];
}
