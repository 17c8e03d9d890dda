/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Claims and holders for tests of diagnose/, in one line each: node[977] requests port 8080, which nginx[812]
 * holds. Addresses are strings.
 */
#ifndef PORTTRACE_TESTS_CLAIM_MAKE_H
#define PORTTRACE_TESTS_CLAIM_MAKE_H

#include <errno.h>

#include "diagnose/diagnose.h"
#include "util/address.h"
#include "wire_make.h"

#define PORT 8080
#define NETNS 4026531840U

/* "0.0.0.0" is an IPv4 socket, "::" and "::ffff:10.0.0.1" are IPv6 ones. */
static inline void set_local(struct wire_sock *sk, const char *addr)
{
	unsigned int prefix;

	sk->family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	address_parse(addr, sk->local_addr, &prefix);
}

static inline void set_remote(struct wire_sock *sk, const char *addr, uint16_t port)
{
	unsigned int prefix;

	address_parse(addr, sk->remote_addr, &prefix);
	sk->remote_port = port;
}

static inline struct wire_sock claim_sock(uint16_t protocol, const char *addr, uint32_t flags)
{
	struct wire_sock sk = {
		.netns = NETNS,
		.uid = 1000,
		.flags = flags,
		.protocol = protocol,
		.local_port = PORT,
		.state = WIRE_TCP_CLOSE,
	};

	set_local(&sk, addr);
	return sk;
}

static inline struct claim make_claim(uint16_t protocol, const char *addr, uint32_t flags)
{
	struct claim claim = {
		.call = CLAIM_BIND,
		.sock = claim_sock(protocol, addr, flags),
		.task = make_task(977, "node"),
		.error = EADDRINUSE,
		.requested_port = PORT,
	};

	claim.sock.cookie = 1;
	claim.task.uid = 1000;
	memcpy(claim.requested_addr, claim.sock.local_addr, 16);
	return claim;
}

static inline struct holder make_holder(uint16_t protocol, const char *addr, uint32_t flags,
					enum wire_state state)
{
	struct holder holder = {
		.sock = claim_sock(protocol, addr, flags),
		.owner = make_task(812, "nginx"),
	};

	holder.sock.cookie = 2;
	holder.sock.state = state;
	holder.pids[0] = holder.owner;
	holder.pid_count = 1;
	return holder;
}

#endif
