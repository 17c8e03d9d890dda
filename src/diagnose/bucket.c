/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The shortcut of inet_csk_get_port(), net/ipv4/inet_connection_sock.c: a bind bucket whose sockets all share
 * admits another one without comparing them. It can only make a call succeed; it never explains a refusal.
 */
#include <netinet/in.h>

#include "diagnose/rules.h"

/* sk_reuseport_match() */
static bool reuseport_fits(const struct bucket *bucket, const struct wire_sock *sk)
{
	if (bucket->fastreuseport <= 0 || !(sk->flags & WIRE_REUSEPORT) ||
	    sk->flags & WIRE_REUSEPORT_PROG || sk->uid != bucket->fast.uid)
		return false;
	return bucket->fastreuseport == BUCKET_REUSEPORT_ANY ||
	       addresses_meet(&bucket->fast, sk, false);
}

bool bucket_lets_in(const struct claim *claim)
{
	const struct wire_sock *sk = &claim->sock;
	const struct bucket *bucket = claim->bucket;

	if (!bucket || sock_is_udp(sk) || claim->call == CLAIM_CONNECT)
		return false;
	if (bucket->fastreuse > 0 && sk->flags & WIRE_REUSEADDR && claim->call == CLAIM_BIND)
		return true;
	return reuseport_fits(bucket, sk);
}
