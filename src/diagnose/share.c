/* SPDX-License-Identifier: GPL-2.0-only */
/* Two sockets that meet on a port: may they share it? Part (c) of the rule, TCP's and UDP's. */
#include "diagnose/rules.h"

#include <string.h>

#include "util/address.h"

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

/* udp_lib_lport_inuse() returns 0 at such a socket; inet_bind_conflict() goes on. */
bool sock_ends_search(const struct claim *claim, const struct wire_sock *sk2)
{
	const struct wire_sock *sk = &claim->sock;

	return sock_is_udp(sk) && sock_same_ports(sk, sk2) && sk->local_port == sk2->local_port &&
	       !both_have(sk, sk2, WIRE_REUSEADDR) &&
	       overlap_between(sk, sk2) != OVERLAP_NONE && reuseport_matches(sk, sk2, sk2->uid);
}
