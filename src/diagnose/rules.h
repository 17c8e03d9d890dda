/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's rules about two sockets and one port. `sk` asks, `sk2` has the port. */
#ifndef PORTTRACE_DIAGNOSE_RULES_H
#define PORTTRACE_DIAGNOSE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnose/diagnose.h"

/* An IPv4 address on an IPv6 socket. */
bool sock_is_mapped(const struct wire_sock *sk);
bool sock_is_udp(const struct wire_sock *sk);
/* Both have their ports in the same table of the same namespace. */
bool sock_same_ports(const struct wire_sock *sk, const struct wire_sock *sk2);
/* It has a peer, or had one: neither idle nor listening. */
bool sock_is_connected(const struct wire_sock *sk);

/* LISTEN, bound, connected, orphan, timewait: the more a holder says, the earlier it is named. */
unsigned int holder_rank(const struct wire_sock *sock);

bool devices_meet(const struct wire_sock *sk, const struct wire_sock *sk2);
/* `sk`'s wildcard meets every address; `sk2`'s only if `wildcard2`. */
bool addresses_meet(const struct wire_sock *sk, const struct wire_sock *sk2, bool wildcard2);
/* How the addresses meet; OVERLAP_NONE: they do not. Devices count too. */
enum overlap overlap_between(const struct wire_sock *sk, const struct wire_sock *sk2);

/* Whether `sk2` refuses `claim`, and how their addresses meet. */
bool sock_refuses(const struct claim *claim, const struct wire_sock *sk2, enum overlap *overlap);

/* connect() would make a tuple that sk2 is: only the port is the caller's to say. */
bool tuple_meets(const struct wire_sock *sk, const struct wire_sock *sk2);

/* The kernel looks no further than to this socket: it shares the port. */
bool sock_ends_search(const struct claim *claim, const struct wire_sock *sk2);

/* The bucket answers for all of its sockets: none of them is looked at. */
bool bucket_lets_in(const struct claim *claim);

/* Ports below this are privileged. */
uint32_t unprivileged_start(const struct netns_entry *netns);

#endif
