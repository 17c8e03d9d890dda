/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether two sockets meet on a port: devices and addresses, not options. Names as in the kernel: rcv_saddr is
 * the local address.
 */
#include "diagnose/rules.h"

#include <netinet/in.h>
#include <string.h>

#include "util/address.h"

/* ipv6_addr_type(), as far as it matters for ports. Every IPv4 socket is ADDR_MAPPED. */
enum addr_type { ADDR_ANY, ADDR_MAPPED, ADDR_OTHER };

static enum addr_type addr_type(const struct wire_sock *sk)
{
	if (sk->family == AF_INET || address_is_mapped(sk->local_addr))
		return ADDR_MAPPED;
	return address_is_wildcard(sk->local_addr) ? ADDR_ANY : ADDR_OTHER;
}

/* sk_rcv_saddr: the IPv4 address of a socket. A socket with an IPv6 address has LOOPBACK4_IPV6 there. */
static uint32_t rcv_saddr(const struct wire_sock *sk)
{
	static const uint8_t loopback4_ipv6[4] = {127, 0, 0, 6};
	uint32_t addr;

	memcpy(&addr, addr_type(sk) == ADDR_OTHER ? loopback4_ipv6 : sk->local_addr + 12,
	       sizeof(addr));
	return addr;
}

/*
 * ipv6_only_sock(). __inet6_bind() sets it for a single IPv6 address and clears it when it fails, so a refused
 * caller does not show it. Connections of a dual-stack socket do not have it; neither do reset ones, which keep
 * the peer's port.
 */
static bool is_v6only(const struct wire_sock *sk)
{
	if (sk->family != AF_INET6)
		return false;
	return sk->flags & WIRE_V6ONLY ||
	       (addr_type(sk) == ADDR_OTHER && !sock_is_connected(sk) && !sk->remote_port);
}

static bool ipv4_addresses_meet(const struct wire_sock *sk, const struct wire_sock *sk2,
				bool wildcard2)
{
	uint32_t addr = rcv_saddr(sk), addr2 = rcv_saddr(sk2);

	return !is_v6only(sk2) && (addr == addr2 || !addr || (wildcard2 && !addr2));
}

/* inet_rcv_saddr_equal(sk, sk2, true): ipv4_rcv_saddr_equal(), ipv6_rcv_saddr_equal() */
bool addresses_meet(const struct wire_sock *sk, const struct wire_sock *sk2, bool wildcard2)
{
	enum addr_type type = addr_type(sk), type2 = addr_type(sk2);

	if (sk->family == AF_INET || (type == ADDR_MAPPED && type2 == ADDR_MAPPED))
		return ipv4_addresses_meet(sk, sk2, wildcard2);
	if (type == ADDR_ANY && type2 == ADDR_ANY)
		return true;
	if (wildcard2 && type2 == ADDR_ANY && !(is_v6only(sk2) && type == ADDR_MAPPED))
		return true;
	if (type == ADDR_ANY && !(is_v6only(sk) && type2 == ADDR_MAPPED))
		return true;
	return sk2->family == AF_INET6 && !memcmp(sk->local_addr, sk2->local_addr, 16);
}

/*
 * inet_bhash2_conflict(), net/ipv4/inet_connection_sock.c: for a single IPv4 address TCP compares only the
 * sockets of that address and those of the wildcard. An IPv6 socket is not among the first, even if its
 * rcv_saddr (127.0.0.6) is equal; for an IPv6 caller some kernels miss ::ffff:0.0.0.0 among the second.
 */
static bool is_in_other_bucket(const struct wire_sock *sk, const struct wire_sock *sk2)
{
	if (sock_is_udp(sk) || addr_type(sk) != ADDR_MAPPED || !rcv_saddr(sk))
		return false;
	return addr_type(sk2) == ADDR_OTHER ||
	       (sk->family == AF_INET6 && sk2->flags & WIRE_MAPPED_ANY_UNSEEN && !rcv_saddr(sk2));
}

/* inet_bind_conflict(), udp_lib_lport_inuse(): a socket without a device meets every device. */
bool devices_meet(const struct wire_sock *sk, const struct wire_sock *sk2)
{
	return !sk->ifindex || !sk2->ifindex || sk->ifindex == sk2->ifindex;
}

enum overlap overlap_between(const struct wire_sock *sk, const struct wire_sock *sk2)
{
	bool wild = address_is_wildcard(sk->local_addr),
	     wild2 = address_is_wildcard(sk2->local_addr);

	if (!devices_meet(sk, sk2) || !addresses_meet(sk, sk2, true) || is_in_other_bucket(sk, sk2))
		return OVERLAP_NONE;
	if (sk->family != sk2->family || sock_is_mapped(sk) != sock_is_mapped(sk2))
		return OVERLAP_DUAL_STACK;
	if (wild == wild2)
		return OVERLAP_EXACT;
	return wild2 ? OVERLAP_WILDCARD_HOLDER : OVERLAP_WILDCARD_CALLER;
}
