/* SPDX-License-Identifier: GPL-2.0-only */
/* Two sockets that meet on a port: may they share it? Part (c) of the rule, TCP's and UDP's. */
#include "diagnose/rules.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "util/address.h"

/* The table in which a protocol's ports live: those of MPTCP are its TCP subflows'. */
static uint16_t port_table_of(const struct wire_sock *sk)
{
	return sk->protocol == IPPROTO_MPTCP ? IPPROTO_TCP : sk->protocol;
}

bool sock_is_udp(const struct wire_sock *sk)
{
	return sk->protocol == IPPROTO_UDP || sk->protocol == IPPROTO_UDPLITE;
}

bool sock_same_ports(const struct wire_sock *sk, const struct wire_sock *sk2)
{
	return port_table_of(sk) == port_table_of(sk2) && sk->netns == sk2->netns;
}

static bool both_have(const struct wire_sock *sk, const struct wire_sock *sk2, uint32_t flag)
{
	return sk->flags & sk2->flags & flag;
}

static bool reuseport_matches(const struct wire_sock *sk, const struct wire_sock *sk2,
			      uint32_t uid2)
{
	/* A program attached before bind() made a group of the caller's own (sk_reuseport_cb). */
	if (!both_have(sk, sk2, WIRE_REUSEPORT) || sk->flags & WIRE_REUSEPORT_PROG)
		return false;
	return sk2->state == WIRE_TCP_TIME_WAIT || sk->uid == uid2;
}

static bool reuseaddr_matches(const struct wire_sock *sk, const struct wire_sock *sk2)
{
	return both_have(sk, sk2, WIRE_REUSEADDR) && sk2->state != WIRE_TCP_LISTEN;
}

/* inet_bind_conflict() with relax and reuseport_ok: inet_csk_get_port() for a given port */
static bool tcp_may_share(const struct wire_sock *sk, const struct wire_sock *sk2, uint32_t uid2)
{
	return reuseaddr_matches(sk, sk2) || reuseport_matches(sk, sk2, uid2);
}

/*
 * udp_lib_lport_inuse(), for each socket by itself. That the kernel stops looking at the first one
 * that shares by SO_REUSEPORT matters to diagnose_verdict() only: it makes a call work.
 */
static bool udp_may_share(const struct wire_sock *sk, const struct wire_sock *sk2, uint32_t uid2)
{
	return both_have(sk, sk2, WIRE_REUSEADDR) || reuseport_matches(sk, sk2, uid2);
}

static bool may_share(const struct claim *claim, const struct wire_sock *sk2, uint32_t uid2)
{
	const struct wire_sock *sk = &claim->sock;

	if (sock_is_udp(sk))
		return udp_may_share(sk, sk2, uid2);
	/* inet_csk_find_open_port() takes a port that nobody meets, and asks for no options but in a second
	 * round that the namespace has to allow. */
	if (!sk->local_port)
		return claim->autobind_reuse && reuseaddr_matches(sk, sk2);
	return sk->flags & WIRE_FORCE_REUSE || tcp_may_share(sk, sk2, uid2);
}

/* inet_match() in __inet_check_established(); the caller's address may not be chosen yet. */
bool tuple_meets(const struct wire_sock *sk, const struct wire_sock *sk2)
{
	if (sk2->ifindex && sk2->ifindex != sk->ifindex)
		return false;
	return sock_is_connected(sk2) && sk->remote_port == sk2->remote_port &&
	       !memcmp(sk->remote_addr, sk2->remote_addr, 16) &&
	       (address_is_wildcard(sk->local_addr) ||
		!memcmp(sk->local_addr, sk2->local_addr, 16));
}

bool sock_refuses(const struct claim *claim, const struct wire_sock *sk2, enum overlap *overlap)
{
	uint32_t uid2 = claim->orphan_is_root && sk2->flags & WIRE_ORPHAN ? 0 : sk2->uid;
	const struct wire_sock *sk = &claim->sock;

	*overlap = OVERLAP_NONE;
	if (!sock_same_ports(sk, sk2) || (sk->cookie && sk->cookie == sk2->cookie))
		return false;
	if (sk->local_port && sk->local_port != sk2->local_port)
		return false;
	/* A half-open request is in no bind bucket. */
	if (sk2->state == WIRE_TCP_NEW_SYN_RECV)
		return false;
	/* __inet_hash_connect() with a port looks at connections, not at the bucket. */
	if (claim->call == CLAIM_CONNECT) {
		if (sock_is_udp(sk) || !sk->local_port || !tuple_meets(sk, sk2))
			return false;
		*overlap = OVERLAP_EXACT;
		return true;
	}
	*overlap = overlap_between(sk, sk2);
	return *overlap != OVERLAP_NONE && !may_share(claim, sk2, uid2);
}

bool conflict_between(const struct claim *claim, const struct holder *holder, enum overlap *overlap)
{
	enum overlap unused;

	return sock_refuses(claim, &holder->sock, overlap ? overlap : &unused);
}

/* sock_no_listen(), __inet_listen_sk() */
static uint32_t listen_verdict(const struct claim *claim)
{
	const struct wire_sock *sk = &claim->sock;

	if (sock_is_udp(sk))
		return EOPNOTSUPP;
	/* After a reset the socket is closed and still SS_CONNECTED: its peer's port is left. */
	if (sock_is_connected(sk) || (sk->state != WIRE_TCP_LISTEN && sk->remote_port))
		return EINVAL;
	return 0;
}

/* __inet_bind(), __inet6_bind(), before they ask for the port */
static uint32_t bind_verdict(const struct claim *claim, const struct netns_entry *netns)
{
	uint32_t unprivileged_start = netns ? netns->now.unprivileged_start : IPPORT_RESERVED;

	if (claim->sock.local_port && claim->sock.local_port < unprivileged_start &&
	    !claim->has_net_bind_service)
		return EACCES;
	if (claim->had_port)
		return EINVAL;
	return sock_is_mapped(&claim->sock) && claim->sock.flags & WIRE_V6ONLY ? EINVAL : 0;
}

/* udp_lib_lport_inuse() returns 0 at such a socket; inet_bind_conflict() goes on. */
static bool is_end_of_search(const struct claim *claim, const struct wire_sock *sk2)
{
	const struct wire_sock *sk = &claim->sock;

	return sock_is_udp(sk) && sock_same_ports(sk, sk2) && sk->local_port == sk2->local_port &&
	       !both_have(sk, sk2, WIRE_REUSEADDR) &&
	       overlap_between(sk, sk2) != OVERLAP_NONE && reuseport_matches(sk, sk2, sk2->uid);
}

/* The sockets are `stride` bytes apart. */
struct chain {
	const struct wire_sock *first;
	size_t count, stride;
};

static bool is_port_free(const struct claim *claim, const struct chain *chain)
{
	const char *at = (const char *)chain->first;
	enum overlap overlap;

	if (bucket_lets_in(claim))
		return true;
	for (size_t i = 0; i < chain->count; i++, at += chain->stride) {
		const struct wire_sock *sk2 = (const struct wire_sock *)at;

		if (sock_refuses(claim, sk2, &overlap))
			return false;
		if (is_end_of_search(claim, sk2))
			return true;
	}
	return true;
}

static uint32_t verdict(const struct claim *claim, const struct chain *chain,
			const struct netns_entry *netns)
{
	uint32_t error = 0;

	if (claim->call == CLAIM_BIND)
		error = bind_verdict(claim, netns);
	else if (claim->call == CLAIM_LISTEN)
		error = listen_verdict(claim);
	if (error || !claim->sock.local_port)
		return error;
	/* The backlog is all that listen() changes in a listener. */
	if (claim->call == CLAIM_LISTEN && claim->sock.state == WIRE_TCP_LISTEN)
		return 0;
	if (is_port_free(claim, chain))
		return 0;
	return claim->call == CLAIM_CONNECT ? EADDRNOTAVAIL : EADDRINUSE;
}

uint32_t diagnose_verdict(const struct claim *claim, const struct failure *failure,
			  const struct netns_entry *netns)
{
	struct chain chain = {.stride = sizeof(struct holder)};

	if (failure && failure->holder_count) {
		chain.first = &failure->holders[0].sock;
		chain.count = failure->holder_count;
	}
	return verdict(claim, &chain, netns);
}

uint32_t diagnose_verdict_in_order(const struct claim *claim, const struct wire_socket *found,
				   size_t count, const struct netns_entry *netns)
{
	struct chain chain = {.stride = sizeof(*found), .count = count};

	if (count)
		chain.first = &found->sock;
	return verdict(claim, &chain, netns);
}

uint32_t diagnose_verdict_of_socks(const struct claim *claim, const struct wire_sock *socks, size_t count,
				   const struct netns_entry *netns)
{
	struct chain chain = {.first = socks, .stride = sizeof(*socks), .count = count};

	return verdict(claim, &chain, netns);
}
