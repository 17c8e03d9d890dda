/* SPDX-License-Identifier: GPL-2.0-only */
/* The kind of a socket: protocol, family, state. */
#include "diagnose/rules.h"
#include "util/address.h"
#include "util/protocol.h"

/* Protocols that share a port table. MPTCP uses the TCP ports of its subflows. */
static uint16_t port_table_of(const struct wire_sock *sk)
{
	return sk->protocol == IPPROTO_MPTCP ? IPPROTO_TCP : sk->protocol;
}

bool sock_is_udp(const struct wire_sock *sk)
{
	return protocol_is_udp(sk->protocol);
}

bool sock_same_ports(const struct wire_sock *sk, const struct wire_sock *sk2)
{
	return port_table_of(sk) == port_table_of(sk2) && sk->netns == sk2->netns;
}

bool sock_is_mapped(const struct wire_sock *sk)
{
	return sk->family == AF_INET6 && address_is_mapped(sk->local_addr);
}

bool sock_is_connected(const struct wire_sock *sk)
{
	return sk->state != WIRE_TCP_LISTEN && sk->state != WIRE_TCP_CLOSE && sk->state;
}

unsigned int holder_rank(const struct wire_sock *sock)
{
	if (sock->state == WIRE_TCP_LISTEN)
		return 0;
	if (sock->state == WIRE_TCP_TIME_WAIT)
		return 4;
	if (sock->flags & WIRE_ORPHAN)
		return 3;
	return sock_is_connected(sock) ? 2 : 1;
}
