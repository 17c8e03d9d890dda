/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's rules for two sockets and one port. `sk` is the caller's, `sk2` holds the port. */
#ifndef PORTTRACE_DIAGNOSE_RULES_H
#define PORTTRACE_DIAGNOSE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnose/diagnose.h"
#include "util/protocol.h"

/* How long a closed connection holds its port: TCP_TIMEWAIT_LEN, include/net/tcp.h. */
#define TIMEWAIT_MS 60000U
#define TIMEWAIT_LONGEST_MS (TIMEWAIT_MS + TIMEWAIT_LATE_MS)

/* pool.c: whether connect() from or to this address reuses a TIME_WAIT, by net.ipv4.tcp_tw_reuse: 2, the default, is for
 * loopback only. tcp_twsk_unique(), net/ipv4/tcp_ipv4.c */
bool tw_reuse_covers(uint32_t tw_reuse, const uint8_t address[16]);

/* sock_kind.c: what kind of socket it is */

/* An IPv6 socket with an IPv4-mapped address. */
bool sock_is_mapped(const struct wire_sock *sk);
bool sock_is_udp(const struct wire_sock *sk);
/* Both use the same port table of the same network namespace. */
bool sock_same_ports(const struct wire_sock *sk, const struct wire_sock *sk2);
/* Its state is neither LISTEN nor CLOSE: a connection, or one that is closing. */
bool sock_is_connected(const struct wire_sock *sk);

/* The order in which holders are named: LISTEN 0, bound 1, connected 2, orphan 3, TIME_WAIT 4. */
unsigned int holder_rank(const struct wire_sock *sock);

/* overlap.c: do two sockets meet on a port */

bool devices_meet(const struct wire_sock *sk, const struct wire_sock *sk2);
/* The wildcard of `sk` meets every address, that of `sk2` only if `wildcard2`. */
bool addresses_meet(const struct wire_sock *sk, const struct wire_sock *sk2, bool wildcard2);
/* How addresses and devices meet; OVERLAP_NONE: they do not. */
enum overlap overlap_between(const struct wire_sock *sk, const struct wire_sock *sk2);

/* share.c: may they share the port */

/* Whether `sk2` conflicts with `claim`; *overlap: how their addresses meet. */
bool sock_refuses(const struct claim *claim, const struct wire_sock *sk2, enum overlap *overlap);

/* A connect() of `sk` from the port of `sk2` would make the four-tuple of `sk2`. */
bool tuple_meets(const struct wire_sock *sk, const struct wire_sock *sk2);

/* UDP: the kernel compares no socket after this one, because it shares the port by SO_REUSEPORT. */
bool sock_ends_search(const struct claim *claim, const struct wire_sock *sk2);

/* bucket.c: the TCP bind bucket admits the claim without a comparison with its sockets. */
bool bucket_lets_in(const struct claim *claim);

/* connect.c: which socket answers a connect() */

/* An errno with which a connection fails that has a port, or that has no route. */
bool connect_failed(uint32_t error);
/* Whether a connection of `sk` to its remote address and port meets `server`: a listener, or a bound UDP socket. */
bool sock_accepts(const struct wire_sock *sk, const struct wire_sock *server);
/* How far `server` is from that: 0: it accepts; then another address, another family, not listening, another device,
 * another network namespace. UINT_MAX: another port or protocol. */
unsigned int sock_distance(const struct wire_sock *sk, const struct wire_sock *server);
/* No connection fits into its accept queue: sk_acceptq_is_full(), include/net/sock.h. */
bool queue_is_full(const struct holder *listener);

/* verdict.c: ports below this are privileged; 1024 if the namespace is unknown. */
uint32_t unprivileged_start(const struct netns_entry *netns);

#endif
