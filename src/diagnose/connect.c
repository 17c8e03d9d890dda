/* SPDX-License-Identifier: GPL-2.0-only */
/* Which socket answers a connect(): inet_lookup_listener() in net/ipv4/inet_hashtables.c and its IPv6 and UDP
 * counterparts, for a connection that stays on this machine. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

#include "diagnose/rules.h"
#include "util/address.h"

bool connect_failed(uint32_t error)
{
	switch (error) {
	case ENONET:
	case ENOPROTOOPT:
	case ENETDOWN:
	case ENETUNREACH:
	case ECONNRESET:
	case ETIMEDOUT:
	case ECONNREFUSED:
	case EHOSTDOWN:
	case EHOSTUNREACH:
		return true;
	}
	return false;
}

/* Whether it takes datagrams or connections of the remote address's family. */
static bool family_meets(const struct wire_sock *sk, const struct wire_sock *server)
{
	if (!address_is_mapped(sk->remote_addr))
		return server->family == AF_INET6 && !address_is_mapped(server->local_addr);
	if (server->family != AF_INET6 || address_is_mapped(server->local_addr))
		return true;
	return address_is_wildcard(server->local_addr) && !(server->flags & WIRE_V6ONLY);
}

static bool address_meets(const struct wire_sock *sk, const struct wire_sock *server)
{
	return address_is_wildcard(server->local_addr) ||
	       !memcmp(server->local_addr, sk->remote_addr, sizeof(sk->remote_addr));
}

static bool is_open(const struct wire_sock *server)
{
	return server->state == (sock_is_udp(server) ? WIRE_TCP_CLOSE : WIRE_TCP_LISTEN);
}

unsigned int sock_distance(const struct wire_sock *sk, const struct wire_sock *server)
{
	struct wire_sock here = *server;
	bool family = family_meets(sk, server);

	here.netns = sk->netns;
	if (server->local_port != sk->remote_port || server->remote_port || !sock_same_ports(sk, &here) ||
	    (sk->cookie && sk->cookie == server->cookie) || sock_is_connected(server))
		return UINT_MAX;
	/* A packet to an address of this machine arrives on loopback, not on the device. */
	return (family && address_meets(sk, server) ? 0 : 1) + (family ? 0 : 2) + (is_open(server) ? 0 : 4) +
	       (server->ifindex && server->ifindex != sk->ifindex ? 8 : 0) + (server->netns != sk->netns ? 16 : 0);
}

bool sock_accepts(const struct wire_sock *sk, const struct wire_sock *server)
{
	return !sock_distance(sk, server);
}

bool queue_is_full(const struct holder *listener)
{
	return listener->sock.state == WIRE_TCP_LISTEN && listener->queue > listener->backlog;
}
