/* SPDX-License-Identifier: GPL-2.0-only */
/* The table fact x backend -> programs. Functions differ between kernels, so a cell has several sets of
 * programs, best first. */
#include "probe/hooks.h"

/* clang-format off */
#define SET(...) {.programs = {__VA_ARGS__}}
#define RETURNS(...) {.programs = {__VA_ARGS__}, .needs = PROBE_NEEDS_CALL_REGS}
#define FUNC_RET(...) {.programs = {__VA_ARGS__}, .needs = PROBE_NEEDS_FUNC_RET}
#define COOKIES(...) {.programs = {__VA_ARGS__}, .needs = PROBE_NEEDS_COOKIES}
#define IDENTITY_SETS COOKIES("tracepoint_sock_create"), \
		      SET("tracepoint_sock_create", "tracepoint_accept_cookie")
#define FENTRY(...) .sets[BACKEND_FENTRY] = {__VA_ARGS__}
#define KPROBE(...) .sets[BACKEND_KPROBE] = {__VA_ARGS__}
#define TRACEPOINT(...) .sets[BACKEND_TRACEPOINT] = {__VA_ARGS__}

#define CGROUP_SET SET("cgroup_bind4", "cgroup_bind6", "cgroup_connect4", "cgroup_connect6")

const struct hook hooks[FACT_COUNT] = {
	[FACT_BIND] = {
		FACT_BIND, "bind", "binds and their errors",
		"adds about 55 ns to every system call of the machine",
		"binds of the kernel itself (VXLAN, WireGuard, the NFS server): no tracepoint shows them",
		FENTRY(SET("fentry_bind_enter", "fentry_bind", "fentry_bind_socket_enter",
			   "fentry_bind_socket", "fentry_kernel_bind"),
		       SET("fentry_bind_enter", "fentry_bind", "fentry_kernel_bind")),
		KPROBE(SET("kprobe_bind", "kprobe_bind_exit",
			   "kprobe_bind_socket", "kprobe_bind_socket_exit",
			   "kprobe_kernel_bind", "kprobe_kernel_bind_exit"),
		       SET("kprobe_bind", "kprobe_bind_exit",
			   "kprobe_kernel_bind", "kprobe_kernel_bind_exit")),
		TRACEPOINT(RETURNS("tracepoint_exit_bind"),
			   SET("tracepoint_enter_bind", "tracepoint_exit_bind")),
	},
	[FACT_LISTEN] = {
		FACT_LISTEN, "listen", "listening sockets and their errors",
		"as bind",
		"listens of the kernel itself: no tracepoint shows them",
		FENTRY(SET("fentry_listen_enter", "fentry_listen", "fentry_listen_socket_enter",
			   "fentry_listen_socket", "fentry_kernel_listen"),
		       SET("fentry_listen_enter", "fentry_listen", "fentry_kernel_listen")),
		KPROBE(SET("kprobe_listen", "kprobe_listen_exit",
			   "kprobe_listen_socket", "kprobe_listen_socket_exit",
			   "kprobe_kernel_listen", "kprobe_kernel_listen_exit"),
		       SET("kprobe_listen", "kprobe_listen_exit",
			   "kprobe_kernel_listen", "kprobe_kernel_listen_exit")),
		TRACEPOINT(RETURNS("tracepoint_exit_listen"),
			   SET("tracepoint_enter_listen", "tracepoint_exit_listen")),
	},
	[FACT_CONNECT] = {
		FACT_CONNECT, "connect", "outgoing TCP connections and their ports",
		"a sockops program runs about ten times per TCP connection",
		NULL,
		FENTRY(SET("fentry_hash_connect", "fentry_hash_connect6")),
		KPROBE(SET("kprobe_hash_connect_enter", "kprobe_hash_connect",
			   "kprobe_hash_connect6_enter", "kprobe_hash_connect6")),
		TRACEPOINT(SET("tracepoint_sockops")),
	},
	[FACT_CONNECT_RESULT] = {
		FACT_CONNECT_RESULT, "connect-result", "refused connects, and UDP connects",
		"as bind",
		NULL,
		FENTRY(SET("fentry_connect")),
		KPROBE(SET("kprobe_connect", "kprobe_connect_exit",
			   "kprobe_connect6", "kprobe_connect6_exit",
			   "kprobe_dgram_connect", "kprobe_dgram_connect_exit",
			   "kprobe_stream_connect",
			   "kprobe_connect_security", "kprobe_connect_security_exit",
			   "kprobe_pre_connect", "kprobe_pre_connect_exit",
			   "kprobe_pre_connect6", "kprobe_pre_connect6_exit")),
		TRACEPOINT(RETURNS("tracepoint_exit_connect"),
			   SET("tracepoint_enter_connect", "tracepoint_exit_connect")),
	},
	[FACT_IMPLICIT_BIND] = {
		FACT_IMPLICIT_BIND, "implicit-bind", "ports taken by a UDP send without bind()",
		"a short program runs at every send on any socket",
		NULL,
		FENTRY(SET("fentry_dgram_connect", "fentry_dgram_connect_exit", "fentry_autobind")),
		KPROBE(SET("kprobe_autobind", "kprobe_autobind_exit")),
		TRACEPOINT(SET("tracepoint_send"),
			   RETURNS("tracepoint_exit_sendto", "tracepoint_exit_sendmsg",
				   "tracepoint_exit_sendmmsg"),
			   SET("tracepoint_enter_sendto", "tracepoint_exit_sendto",
			       "tracepoint_enter_sendmsg", "tracepoint_exit_sendmsg",
			       "tracepoint_enter_sendmmsg", "tracepoint_exit_sendmmsg")),
	},
	[FACT_IO_URING] = {
		FACT_IO_URING, "io-uring", "binds, listens and refused connects by io_uring",
		"a short program runs twice for every io_uring request",
		NULL,
		TRACEPOINT(SET("tracepoint_uring_submit", "tracepoint_uring"),
			   SET("tracepoint_uring_submit", "tracepoint_uring_old"),
			   SET("tracepoint_uring_old")),
		.covered_by = {
			[BACKEND_FENTRY] = "runs the same functions as the system calls",
			[BACKEND_KPROBE] = "runs the same functions as the system calls",
		},
	},
	[FACT_ACCEPT] = {
		FACT_ACCEPT, "accept", "accepted connections (only with -e accept)",
		"as bind",
		NULL,
		FENTRY(SET("fentry_accept"), SET("fentry_graft")),
		KPROBE(SET("kprobe_accept"), SET("kprobe_graft")),
		TRACEPOINT(SET("tracepoint_exit_accept", "tracepoint_exit_accept4")),
	},
	[FACT_CLOSE] = {
		FACT_CLOSE, "close", "which process closes a port",
		"a short program runs at every close of an internet socket",
		NULL,
		FENTRY(SET("fentry_release")),
		KPROBE(SET("kprobe_release")),
		TRACEPOINT(SET("tracepoint_sock_release")),
	},
	[FACT_TCP_END] = {
		FACT_TCP_END, "tcp-end", "what ended a connection, and TIME_WAIT",
		"a short program runs about ten times per TCP connection",
		NULL,
		FENTRY(SET("tracepoint_tcp_state", "tracepoint_tcp_state_second")),
		KPROBE(SET("tracepoint_tcp_state", "tracepoint_tcp_state_second")),
		TRACEPOINT(SET("tracepoint_sockops_end", "tracepoint_tcp_state"),
			   SET("tracepoint_tcp_state", "tracepoint_tcp_state_second")),
	},
	[FACT_UDP_ERROR] = {
		FACT_UDP_ERROR, "udp-error", "refusals of connected UDP sockets (ICMP)",
		NULL,
		NULL,
		FENTRY(SET("tracepoint_sock_error"), SET("fentry_sock_error")),
		KPROBE(SET("tracepoint_sock_error"), SET("kprobe_sock_error")),
		TRACEPOINT(SET("tracepoint_sock_error")),
	},
	[FACT_TIMEWAIT] = {
		FACT_TIMEWAIT, "timewait", "TIME_WAIT events: end, reuse and overflow",
		NULL,
		NULL,
		FENTRY(FUNC_RET("fentry_twsk_alloc", "fentry_twsk_unique", "fentry_twsk_process",
				"fentry_twsk_deschedule", "fentry_twsk_kill"),
		       SET("fentry_twsk_alloc", "fentry_twsk_unique", "fentry_twsk_process_old",
			   "fentry_twsk_deschedule", "fentry_twsk_kill")),
		KPROBE(SET("kprobe_twsk_alloc", "kprobe_twsk_alloc_exit",
			   "kprobe_twsk_unique", "kprobe_twsk_unique_exit",
			   "kprobe_twsk_process", "kprobe_twsk_process_exit",
			   "kprobe_twsk_deschedule", "kprobe_twsk_kill")),
		.unsupported_why = {
			[BACKEND_TRACEPOINT] = "only the begin of a TIME_WAIT, by tcp-end; the counts are the kernel's counters",
		},
	},
	[FACT_SEARCH] = {
		FACT_SEARCH, "port-search", "port-search time of bind and connect",
		NULL,
		NULL,
		FENTRY(SET("fentry_get_port", "fentry_get_port_exit",
			   "fentry_udp_get_port", "fentry_udp_get_port_exit",
			   "fentry_hash_connect_enter", "fentry_hash_connect6_enter")),
		KPROBE(SET("kprobe_get_port", "kprobe_get_port_exit",
			   "kprobe_udp_get_port", "kprobe_udp_get_port_exit")),
		.unsupported_why = {
			[BACKEND_TRACEPOINT] = "not measured: no tracepoint encloses the search",
		},
	},
	[FACT_IDENTITY] = {
		FACT_IDENTITY, "identity", "the same socket identity in all its events",
		"a short program runs at every socket()",
		NULL,
		FENTRY(IDENTITY_SETS),
		KPROBE(IDENTITY_SETS),
		TRACEPOINT(IDENTITY_SETS),
	},
	[FACT_CGROUP] = {
		FACT_CGROUP, "cgroup", "binds and connects that BPF programs of a cgroup change or refuse",
		"adds about 0.3 us to every bind() and connect()",
		NULL,
		FENTRY(CGROUP_SET),
		KPROBE(CGROUP_SET),
		TRACEPOINT(CGROUP_SET),
	},
	[FACT_SECCOMP] = {
		FACT_SECCOMP, "seccomp", "calls that a seccomp filter refuses",
		NULL,
		NULL,
		.covered_by = {
			[BACKEND_TRACEPOINT] = "reported by the return of the system call",
		},
		/* fexit on __seccomp_filter() would slow down every system call of every container. */
		.unsupported_why = {
			[BACKEND_FENTRY] = "such calls reach no socket function; --probes=tracepoint reports them",
			[BACKEND_KPROBE] = "such calls reach no socket function; --probes=tracepoint reports them",
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
