/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Decides the cause of a refusal from the call, the errno, the holders and the counts, and lists what each
 * cause means. The conditions are tried in the order of docs/causes.md.
 */
#include "diagnose/cause.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "diagnose/rules.h"
#include "util/address.h"

/*
 * __ipv6_addr_needs_scope_id(), include/net/ipv6.h: fe80::/10, and multicast of interface or link scope. TCP
 * refuses multicast before it checks the scope.
 */
static bool is_scoped(const struct wire_sock *sk)
{
	const uint8_t *addr = sk->local_addr;

	if (sk->family != AF_INET6)
		return false;
	if (addr[0] == 0xff)
		return sock_is_udp(sk) && ((addr[1] & 0xf) == 1 || (addr[1] & 0xf) == 2);
	return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

/* The cgroup programs BPF_CGROUP_INET4_BIND and INET6_BIND may change the address and port. */
static bool is_rewritten(const struct claim *claim)
{
	static const uint8_t zero[16];

	if (claim->call != CLAIM_BIND ||
	    (!claim->requested_port && !memcmp(claim->requested_addr, zero, 16)))
		return false;
	return claim->requested_port != claim->sock.local_port ||
	       memcmp(claim->requested_addr, claim->sock.local_addr, 16);
}

/* __inet_hash_connect(), inet_csk_find_open_port() or udp_lib_get_port() found nothing. */
static enum cause range_cause(const struct finding *f)
{
	bool is_tcp_connect = f->claim->call == CLAIM_CONNECT && !sock_is_udp(&f->claim->sock);
	uint32_t bound, time_wait, other, most;

	if (!f->pool)
		return CAUSE_RANGE_EXHAUSTED;
	/* bind() cannot use any port in use; only connect() distinguishes TIME_WAITs and ports that bind() took. */
	bound = is_tcp_connect ? f->pool->bound : 0;
	time_wait = is_tcp_connect ? f->pool->time_wait : 0;
	other = pool_taken(f->pool) - f->pool->reserved - bound - time_wait;

	most = other;
	if (time_wait > most)
		most = time_wait;
	if (bound > most)
		most = bound;
	if (f->pool->reserved > most)
		return CAUSE_RANGE_RESERVED;
	if (other == most)
		return CAUSE_RANGE_EXHAUSTED;
	return time_wait == most ? CAUSE_RANGE_TIME_WAIT : CAUSE_RANGE_BIND_POISONED;
}

static enum cause connection_cause(const struct finding *f, const struct wire_sock *sk2)
{
	if (sk2->local_port == sk2->remote_port && !memcmp(sk2->local_addr, sk2->remote_addr, 16))
		return CAUSE_SELF_CONNECT;
	if (sk2->flags & WIRE_ACCEPTED)
		return CAUSE_ACCEPTED_CONNECTION;
	if (sk2->state == WIRE_TCP_SYN_SENT && sk2->flags & WIRE_PORT_EPHEMERAL)
		return CAUSE_EPHEMERAL_HOLDER;
	/* SOCK_CONNECT_BIND exists since 6.18; before, only a bind bucket made by connect() shows it. */
	if (sk2->flags & WIRE_CONNECT_BIND ||
	    (sk2->flags & WIRE_PORT_EPHEMERAL && sk2->flags & WIRE_UNSHARED_BUCKET))
		return CAUSE_EPHEMERAL_HOLDER;
	if (!(sk2->flags & WIRE_PORT_EPHEMERAL) && !(sk2->unknown & WIRE_UNKNOWN_ORIGIN))
		return CAUSE_CONNECTED_CLIENT;
	/* sk_clone_lock() clears SOCK_BINDPORT_LOCK, so an accepted socket looks like one with an ephemeral port. */
	for (size_t i = 0; i < f->failure->holder_count; i++) {
		const struct wire_sock *other = &f->failure->holders[i].sock;

		if (other->state == WIRE_TCP_LISTEN && other->local_port == sk2->local_port)
			return CAUSE_ACCEPTED_CONNECTION;
	}
	if (f->netns && f->netns->now.range_low &&
	    (sk2->local_port < f->netns->now.range_low ||
	     sk2->local_port > f->netns->now.range_high))
		return CAUSE_ACCEPTED_CONNECTION;
	return CAUSE_CONNECTED_CLIENT;
}

static enum cause reuse_cause(const struct wire_sock *sk, const struct wire_sock *sk2)
{
	uint32_t caller = sk->flags, holder = sk2->flags;

	if (sk2->unknown & WIRE_UNKNOWN_REUSE)
		return CAUSE_NONE;
	if (caller & holder & WIRE_REUSEPORT) {
		if (sk->uid != sk2->uid)
			return CAUSE_REUSEPORT_UID;
		return caller & WIRE_REUSEPORT_PROG ? CAUSE_REUSEPORT_PROG_ATTACHED : CAUSE_NONE;
	}
	if (caller & WIRE_REUSEPORT)
		return CAUSE_REUSEPORT_MISSING_ON_HOLDER;
	if (!(holder & WIRE_REUSEPORT))
		return CAUSE_NONE;
	return caller & WIRE_REUSEADDR && !(holder & WIRE_REUSEADDR) ? CAUSE_REUSE_OPTION_MISMATCH
								   : CAUSE_REUSEPORT_MISSING;
}

static enum cause bound_cause(const struct wire_sock *sk, const struct wire_sock *sk2)
{
	bool caller = sk->flags & WIRE_REUSEADDR, holder = sk2->flags & WIRE_REUSEADDR;

	if (caller && !holder && !(sk2->unknown & WIRE_UNKNOWN_REUSE))
		return CAUSE_REUSEADDR_MISSING_ON_HOLDER;
	if (holder && !caller)
		return CAUSE_REUSEADDR_MISSING;
	return sock_is_udp(sk2) ? CAUSE_UDP_HOLDER : CAUSE_BOUND_NOT_LISTENING;
}

/* The requested port is in use. The first condition that is true decides. */
static enum cause holder_cause(const struct finding *f)
{
	const struct wire_sock *sk = &f->claim->sock, *sk2;
	enum cause cause;

	if (!f->holder)
		return CAUSE_HOLDER_GONE;
	sk2 = &f->holder->sock;
	if (f->claim->call == CLAIM_LISTEN)
		return CAUSE_LISTEN_RECHECK;
	if (sk2->flags & WIRE_KERNEL_OWNED)
		return CAUSE_KERNEL_SOCKET;
	if (sk2->state == WIRE_TCP_TIME_WAIT) {
		if (f->holder->substate == WIRE_TCP_FIN_WAIT2)
			return CAUSE_FIN_WAIT2;
		return sk->flags & WIRE_REUSEADDR && !(sk2->flags & WIRE_REUSEADDR) &&
				       !(sk2->unknown & WIRE_UNKNOWN_REUSE)
			       ? CAUSE_TIME_WAIT_HOLDER_NOREUSE
			       : CAUSE_TIME_WAIT;
	}
	if (sk2->flags & WIRE_ORPHAN && sk2->state != WIRE_TCP_LISTEN)
		return CAUSE_ORPHAN;
	if (sock_is_connected(sk2))
		return sock_is_udp(sk2) ? CAUSE_UDP_CONNECTED_HOLDER : connection_cause(f, sk2);
	cause = reuse_cause(sk, sk2);
	if (cause != CAUSE_NONE)
		return cause;
	if (f->overlap == OVERLAP_DUAL_STACK)
		return CAUSE_DUAL_STACK_OVERLAP;
	if (f->overlap == OVERLAP_WILDCARD_HOLDER || f->overlap == OVERLAP_WILDCARD_CALLER)
		return CAUSE_WILDCARD_OVERLAP;
	if (sk2->state == WIRE_TCP_LISTEN)
		return CAUSE_LISTENER_EXISTS;
	return bound_cause(sk, sk2);
}

static enum cause bind_cause(const struct finding *f)
{
	const struct claim *claim = f->claim;

	switch (f->error) {
	case EADDRINUSE:
		if (is_rewritten(claim))
			return CAUSE_REWRITTEN_BY_CGROUP_BPF;
		return claim->sock.local_port ? holder_cause(f) : range_cause(f);
	case EADDRNOTAVAIL:
		if (is_rewritten(claim))
			return CAUSE_REWRITTEN_BY_CGROUP_BPF;
		return claim->address_tentative ? CAUSE_ADDRESS_TENTATIVE : CAUSE_NOT_LOCAL_ADDRESS;
	case EACCES:
		if (claim->sock.flags & WIRE_STOPPED_BEFORE_CGROUP || !claim->sock.local_port ||
		    claim->sock.local_port >= unprivileged_start(f->netns))
			return CAUSE_DENIED_BY_LSM;
		return is_rewritten(claim) ? CAUSE_REWRITTEN_BY_CGROUP_BPF : CAUSE_PRIVILEGED_PORT;
	case EPERM: /* also from BPF_CGROUP_INET4_POST_BIND and INET6_POST_BIND, which run last */
		return claim->sock.flags & WIRE_STOPPED_BEFORE_CGROUP ? CAUSE_DENIED_BY_LSM :
							    CAUSE_DENIED_BY_CGROUP_BPF;
	case EINVAL:
		if (claim->had_port)
			return CAUSE_ALREADY_BOUND;
		return is_scoped(&claim->sock) && !claim->sock.ifindex ? CAUSE_SCOPE_MISSING
								       : CAUSE_BAD_ADDRESS;
	case ENODEV:
		return CAUSE_SCOPE_MISSING;
	case EAFNOSUPPORT:
		return CAUSE_BAD_ADDRESS;
	}
	return CAUSE_BAD_STATE;
}

static enum cause listen_cause(const struct finding *f)
{
	switch (f->error) {
	case EADDRINUSE:
		return f->claim->sock.local_port ? holder_cause(f) : range_cause(f);
	case EACCES:
	case EPERM: /* listen() has no cgroup hook */
		return CAUSE_DENIED_BY_LSM;
	}
	return CAUSE_BAD_STATE;
}

/* From tcp_v4_connect(), tcp_v6_connect(), inet_autobind(), and the checks before them. */
static enum cause connect_cause(const struct finding *f)
{
	const struct wire_sock *sk = &f->claim->sock;

	switch (f->error) {
	case EADDRNOTAVAIL:
		/* For UDP the errno of a full range is EAGAIN: inet_autobind(). */
		if (sock_is_udp(sk))
			return CAUSE_NO_SOURCE_ADDRESS;
		if (sk->local_port && f->holder)
			return f->holder->sock.state == WIRE_TCP_TIME_WAIT
				       ? CAUSE_FOUR_TUPLE_TIME_WAIT
				       : CAUSE_FOUR_TUPLE_IN_USE;
		if (sk->local_port)
			return CAUSE_HOLDER_GONE;
		if (sk->flags & WIRE_NOT_ROUTED)
			return CAUSE_NO_SOURCE_ADDRESS;
		/* For captures that do not have the flag. */
		if (pool_has_room(f->pool) && sk->family == AF_INET6 &&
		    !address_is_mapped(sk->remote_addr))
			return CAUSE_NO_SOURCE_ADDRESS;
		return range_cause(f);
	case EAGAIN:
		return sock_is_udp(sk) && !sk->local_port ? range_cause(f) : CAUSE_BAD_STATE;
	case EACCES:
		return CAUSE_DENIED_BY_LSM;
	case EPERM:
		return sk->flags & WIRE_STOPPED_BEFORE_CGROUP ? CAUSE_DENIED_BY_LSM : CAUSE_DENIED_BY_CGROUP_BPF;
	case EAFNOSUPPORT:
		return CAUSE_BAD_ADDRESS;
	case ECONNREFUSED:
		return CAUSE_NO_LISTENER;
	case ETIMEDOUT:
		return f->holder && queue_is_full(f->holder) ? CAUSE_BACKLOG_FULL : CAUSE_NO_ANSWER;
	case ECONNRESET:
		return CAUSE_RESET_BY_PEER;
	}
	return connect_failed(f->error) ? CAUSE_NO_ROUTE : CAUSE_BAD_STATE;
}

enum cause cause_decide(const struct finding *f)
{
	if (!f->error)
		return CAUSE_NONE;
	if (f->claim->by_seccomp)
		return CAUSE_DENIED_BY_SECCOMP;
	/* The program may return any errno: bpf_set_retval(). */
	if (f->claim->sock.flags & WIRE_REFUSED_BY_CGROUP)
		return CAUSE_DENIED_BY_CGROUP_BPF;
	switch (f->claim->call) {
	case CLAIM_BIND:
		return bind_cause(f);
	case CLAIM_LISTEN:
		return listen_cause(f);
	case CLAIM_CONNECT:
	case CLAIM_SEND:
		return connect_cause(f);
	}
	return CAUSE_BAD_STATE;
}

/* clang-format off */
static const struct cause_row causes[] = {
	[CAUSE_NONE] = {"none", "the port is free", why_none, fix_none},

	[CAUSE_LISTENER_EXISTS] = {"listener-exists",
		"a listening socket holds the port", why_listener, NULL},
	[CAUSE_WILDCARD_OVERLAP] = {"wildcard-overlap",
		"one of the two is bound to every address", why_wildcard, NULL},
	[CAUSE_DUAL_STACK_OVERLAP] = {"dual-stack-overlap",
		"an IPv6 socket holds the IPv4 port as well", why_dual_stack, NULL},
	[CAUSE_BOUND_NOT_LISTENING] = {"bound-not-listening",
		"a bound socket that does not listen holds the port", why_bound, NULL},
	[CAUSE_REUSEADDR_MISSING] = {"reuseaddr-missing",
		"the holder set SO_REUSEADDR, the caller did not",
		why_reuseaddr_missing, NULL},
	[CAUSE_REUSEADDR_MISSING_ON_HOLDER] = {"reuseaddr-missing-on-holder",
		"the caller set SO_REUSEADDR, the holder did not",
		why_reuseaddr_missing_on_holder, NULL},
	[CAUSE_REUSEPORT_MISSING] = {"reuseport-missing",
		"the holder set SO_REUSEPORT, the caller did not",
		why_reuseport_missing, NULL},
	[CAUSE_REUSEPORT_MISSING_ON_HOLDER] = {"reuseport-missing-on-holder",
		"the caller set SO_REUSEPORT, the holder did not",
		why_reuseport_missing_on_holder, NULL},
	[CAUSE_REUSEPORT_UID] = {"reuseport-uid",
		"SO_REUSEPORT shares within one uid only", why_reuseport_uid, NULL},
	[CAUSE_REUSEPORT_PROG_ATTACHED] = {"reuseport-prog-attached",
		"a reuseport program was attached before bind()",
		why_reuseport_prog, NULL},
	[CAUSE_REUSE_OPTION_MISMATCH] = {"reuse-option-mismatch",
		"one set SO_REUSEADDR, the other SO_REUSEPORT",
		why_reuse_mismatch, NULL},
	[CAUSE_LISTEN_RECHECK] = {"listen-recheck",
		"the port was shared at bind(), and another socket listens now",
		why_listen_recheck, NULL},
	[CAUSE_UDP_HOLDER] = {"udp-holder",
		"a UDP socket holds the port", why_udp_holder, NULL},
	[CAUSE_UDP_CONNECTED_HOLDER] = {"udp-connected-holder",
		"a connected UDP socket holds the port", why_udp_connected, NULL},
	[CAUSE_KERNEL_SOCKET] = {"kernel-socket",
		"the kernel itself holds the port", why_kernel_socket, NULL},
	[CAUSE_HOLDER_GONE] = {"holder-gone",
		"the socket that held the port was closed or not found", why_holder_gone, fix_holder_gone},

	[CAUSE_TIME_WAIT] = {"time-wait",
		"a closed connection holds the port for up to 60 s", why_time_wait, NULL},
	[CAUSE_TIME_WAIT_HOLDER_NOREUSE] = {"time-wait-holder-noreuse",
		"a closed connection without SO_REUSEADDR holds the port",
		why_time_wait_noreuse, NULL},
	[CAUSE_FIN_WAIT2] = {"fin-wait2",
		"the peer has not closed its side of the connection", why_fin_wait2, NULL},
	[CAUSE_ORPHAN] = {"orphan",
		"a connection without a process is still closing", why_orphan, NULL},
	[CAUSE_ACCEPTED_CONNECTION] = {"accepted-connection",
		"a connection accepted on the port is still open", why_accepted, NULL},
	[CAUSE_EPHEMERAL_HOLDER] = {"ephemeral-holder",
		"the kernel gave the port to an outgoing connection", why_ephemeral, NULL},
	[CAUSE_CONNECTED_CLIENT] = {"connected-client",
		"an outgoing connection bound the port", why_client, NULL},
	[CAUSE_SELF_CONNECT] = {"self-connect",
		"a connection from the port to itself", why_self_connect, NULL},

	[CAUSE_RANGE_EXHAUSTED] = {"range-exhausted",
		"every ephemeral port is in use", why_range_exhausted, fix_range_exhausted},
	[CAUSE_RANGE_TIME_WAIT] = {"range-time-wait",
		"most ephemeral ports are in TIME_WAIT", why_range_time_wait, fix_range_time_wait},
	[CAUSE_RANGE_BIND_POISONED] = {"range-bind-poisoned",
		"bind() took most ephemeral ports, which connect() cannot use",
		why_range_poisoned, fix_range_poisoned},
	[CAUSE_RANGE_RESERVED] = {"range-reserved",
		"most ephemeral ports are reserved", why_range_reserved, fix_range_reserved},
	[CAUSE_FOUR_TUPLE_IN_USE] = {"four-tuple-in-use",
		"the same connection already exists", why_tuple_in_use, fix_tuple_in_use},
	[CAUSE_FOUR_TUPLE_TIME_WAIT] = {"four-tuple-time-wait",
		"the same connection is in TIME_WAIT", why_tuple_time_wait, fix_tuple_time_wait},

	[CAUSE_NO_LISTENER] = {"no-listener",
		"no socket listens where the connection goes", why_no_listener, fix_no_listener},
	[CAUSE_BACKLOG_FULL] = {"backlog-full",
		"the listener's accept queue is full", why_backlog_full, fix_backlog_full},
	[CAUSE_NO_ROUTE] = {"no-route",
		"no route leads to the address, or its host does not answer", why_no_route, fix_no_route},
	[CAUSE_NO_ANSWER] = {"no-answer",
		"the peer did not answer in time", why_no_answer, fix_no_answer},
	[CAUSE_RESET_BY_PEER] = {"reset-by-peer",
		"the peer reset the connection before it was established", why_reset_by_peer, fix_reset_by_peer},

	[CAUSE_NOT_LOCAL_ADDRESS] = {"not-local-address",
		"the network namespace does not have the address", why_not_local, fix_not_local},
	[CAUSE_ADDRESS_TENTATIVE] = {"address-tentative",
		"duplicate address detection has not finished", why_tentative, fix_tentative},
	[CAUSE_NO_SOURCE_ADDRESS] = {"no-source-address",
		"the kernel has no source address", why_no_source, fix_no_source},
	[CAUSE_ALREADY_BOUND] = {"already-bound",
		"the socket already has a port", why_already_bound, fix_already_bound},
	[CAUSE_BAD_STATE] = {"bad-state",
		"the socket is in the wrong state for this call", why_bad_state, fix_bad_state},
	[CAUSE_BAD_ADDRESS] = {"bad-address",
		"the address does not fit the socket", why_bad_address, fix_bad_address},
	[CAUSE_SCOPE_MISSING] = {"scope-missing",
		"a link-local address needs an interface", why_scope_missing, fix_scope_missing},
	[CAUSE_PRIVILEGED_PORT] = {"privileged-port",
		"the port needs CAP_NET_BIND_SERVICE", why_privileged, fix_privileged},
	[CAUSE_DENIED_BY_CGROUP_BPF] = {"denied-by-cgroup-bpf",
		"a BPF program of the cgroup refused the call", why_cgroup_bpf, fix_cgroup_bpf},
	[CAUSE_REWRITTEN_BY_CGROUP_BPF] = {"rewritten-by-cgroup-bpf",
		"a BPF program of the cgroup changed the address or port",
		why_rewritten, fix_cgroup_bpf},
	[CAUSE_DENIED_BY_LSM] = {"denied-by-lsm",
		"a security module refused the call", why_lsm, fix_lsm},
	[CAUSE_DENIED_BY_SECCOMP] = {"denied-by-seccomp",
		"a seccomp filter refused the call", why_seccomp, fix_seccomp},
};
/* clang-format on */

#define CAUSES (sizeof(causes) / sizeof(causes[0]))

const struct cause_row *cause_row(enum cause cause)
{
	return (size_t)cause < CAUSES ? &causes[cause] : NULL;
}

const char *diagnose_meaning(const char *cause)
{
	for (size_t i = 0; i < CAUSES; i++) {
		if (!strcmp(causes[i].id, cause))
			return causes[i].meaning;
	}
	return NULL;
}
