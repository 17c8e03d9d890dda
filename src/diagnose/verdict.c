/* SPDX-License-Identifier: GPL-2.0-only */
/* Predicts the errno of a call: the kernel's checks in its order, then the sockets on the port. */
#include <errno.h>
#include <netinet/in.h>

#include "diagnose/rules.h"

uint32_t unprivileged_start(const struct netns_entry *netns)
{
	return netns ? netns->now.unprivileged_start : IPPORT_RESERVED;
}

/* sock_no_listen(), __inet_listen_sk() */
static uint32_t listen_verdict(const struct claim *claim)
{
	const struct wire_sock *sk = &claim->sock;

	if (sock_is_udp(sk))
		return EOPNOTSUPP;
	/* After a reset the socket is closed but still SS_CONNECTED; the peer's port shows that. */
	if (sock_is_connected(sk) || (sk->state != WIRE_TCP_LISTEN && sk->remote_port))
		return EINVAL;
	return 0;
}

/* The checks of __inet_bind() and __inet6_bind() before they call get_port(). */
static uint32_t bind_verdict(const struct claim *claim, const struct netns_entry *netns)
{
	if (claim->sock.local_port && claim->sock.local_port < unprivileged_start(netns) &&
	    !claim->has_net_bind_service)
		return EACCES;
	if (claim->had_port)
		return EINVAL;
	return sock_is_mapped(&claim->sock) && claim->sock.flags & WIRE_V6ONLY ? EINVAL : 0;
}

/* The sockets of an array whose elements are `stride` bytes apart. */
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
		if (sock_ends_search(claim, sk2))
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
	/* A second listen() only changes the backlog. */
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
