/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether two sockets that meet on a port may share it: the options, for TCP and for UDP. */
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
	/* A program attached before bind() made a group of its own for the caller (sk_reuseport_cb). */
	if (!both_have(sk, sk2, WIRE_REUSEPORT) || sk->flags & WIRE_REUSEPORT_PROG)
		return false;
	return sk2->state == WIRE_TCP_TIME_WAIT || sk->uid == uid2;
}

static bool reuseaddr_matches(const struct wire_sock *sk, const struct wire_sock *sk2)
{
	return both_have(sk, sk2, WIRE_REUSEADDR) && sk2->state != WIRE_TCP_LISTEN;
}

/* inet_bind_conflict() with relax and reuseport_ok, as inet_csk_get_port() calls it for a given port. */
static bool tcp_may_share(const struct wire_sock *sk, const struct wire_sock *sk2, uint32_t uid2)
{
	return reuseaddr_matches(sk, sk2) || reuseport_matches(sk, sk2, uid2);
}

/*
 * udp_lib_lport_inuse(), net/ipv4/udp.c, for one socket. The kernel stops at the first socket that shares by
 * SO_REUSEPORT; that can only make a call succeed, so it is in sock_ends_search() and not here.
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
	/* inet_csk_find_open_port() takes a port without any conflict; it considers options only in a second
	 * pass, which net.ipv4.ip_autobind_reuse allows. */
	if (!sk->local_port)
		return claim->autobind_reuse && reuseaddr_matches(sk, sk2);
	return sk->flags & WIRE_FORCE_REUSE || tcp_may_share(sk, sk2, uid2);
}

/* inet_match() in __inet_check_established(). The caller's address may still be the wildcard. */
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
	/* A half-open request is not in a bind bucket. */
	if (sk2->state == WIRE_TCP_NEW_SYN_RECV)
		return false;
	/* __inet_hash_connect() with a given port compares connections, not the bind bucket. */
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

/* udp_lib_lport_inuse() returns 0 at such a socket; inet_bind_conflict() of TCP goes on. */
bool sock_ends_search(const struct claim *claim, const struct wire_sock *sk2)
{
	const struct wire_sock *sk = &claim->sock;

	return sock_is_udp(sk) && sock_same_ports(sk, sk2) && sk->local_port == sk2->local_port &&
	       !both_have(sk, sk2, WIRE_REUSEADDR) &&
	       overlap_between(sk, sk2) != OVERLAP_NONE && reuseport_matches(sk, sk2, sk2->uid);
}
