/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why the kernel refused a port, who has it, and what would help.
 *
 * Pure: the caller's call and the holders found by the kernel go in, a verdict comes out. The rules
 * are the kernel's own (net/ipv4/inet_connection_sock.c, udp.c), the cause identifiers those of
 * docs/causes.md. The kernel's errno always wins: a verdict explains it and never contradicts it.
 */
#ifndef PORTTRACE_DIAGNOSE_DIAGNOSE_H
#define PORTTRACE_DIAGNOSE_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "porttrace/wire.h"

/*
 * What a TCP bind bucket remembers of the sockets that were let in (struct inet_bind_bucket), by
 * which the kernel lets in the next one without a look at them, whatever they have become.
 */
struct bucket {
	int8_t fastreuse;	/* > 0: all have SO_REUSEADDR and none listened; -1: by connect() */
	int8_t fastreuseport;	/* BUCKET_*; -1: made by connect() */
	struct wire_sock fast;	/* family, local_addr, uid, WIRE_V6ONLY, for fastreuseport > 0 */
};
#define BUCKET_REUSEPORT_ANY	1
#define BUCKET_REUSEPORT_STRICT 2 /* only for the address of `fast` */

enum claim_call {
	CLAIM_BIND,
	CLAIM_LISTEN,
	CLAIM_CONNECT,
	CLAIM_SEND, /* UDP implicit bind of a send */
};

/* What was asked of the kernel. sock.local_* is the address and port asked for (port 0: any). */
struct claim {
	enum claim_call call;
	struct wire_sock sock;
	struct wire_task task;
	uint32_t error;			/* the kernel's errno; 0: none yet (porttrace why) */
	uint8_t requested_addr[16];	/* what the caller gave, before BPF rewrote it */
	uint16_t requested_port;
	uint16_t bound_port;		/* had_port: which; 0: not known */
	bool had_port;			/* the socket had a port before this bind() */
	bool address_tentative;		/* IFA_F_TENTATIVE */
	bool by_seccomp;		/* a filter gave the errno */
	bool has_net_bind_service;	/* only for error 0 */
	bool autobind_reuse;		/* net.ipv4.ip_autobind_reuse; only for error 0 */
	bool orphan_is_root;		/* whoever had it: sock_i_uid(), before 6.17 */
	const struct bucket *bucket;	/* only for error 0; NULL: not known, or there is none */
};

/* DUAL_STACK: one socket is IPv4 or has a mapped address, the other is IPv6. */
enum overlap {
	OVERLAP_NONE,
	OVERLAP_EXACT,
	OVERLAP_WILDCARD_HOLDER,
	OVERLAP_WILDCARD_CALLER,
	OVERLAP_DUAL_STACK,
};

/* How full the range is for this claim, counted over the table. */
struct pool {
	uint32_t low, high, size;	/* low 0: not known */
	uint32_t reserved, bound, time_wait, other;
	struct wire_task top;		/* who has most of them; pid 0: not known */
	uint32_t top_count;
};

#define CONFLICT_HOLDERS_MAX FAILURE_HOLDERS_MAX
struct conflict {
	const char *cause;	/* an identifier of docs/causes.md, static */
	char why[512];		/* one sentence, UTF-8, names escaped */
	char fix[512];		/* one sentence */
	/* those that conflict, the primary first */
	const struct holder *holders[CONFLICT_HOLDERS_MAX];
	size_t holder_count;
	size_t holder_more;	/* that conflict but are not listed; diagnose() leaves it 0 */
	bool predicted;		/* false: by the rules, and what was found, the call should have worked;
				 * `why` says so */
};

/* Whether `holder` refuses `claim` (sections 3 a, b, c of the catalogue), and how the addresses
 * meet, shared or not. `overlap` may be NULL. */
bool conflict_between(const struct claim *claim, const struct holder *holder,
		      enum overlap *overlap);

/*
 * Explains a failed call. `failure`: holders the kernel was seen to have (may be NULL); `pool`:
 * only needed for port 0 and connects (may be NULL); `netns`: settings (may be NULL);
 * `now_boot_ns`: for "2.9 s ago"; `model` may be NULL: no units are named then. Always fills
 * *conflict; borrows from `failure`. A claim with error 0 is explained as what diagnose_verdict()
 * says it would get.
 */
void diagnose(const struct claim *claim, const struct failure *failure, const struct pool *pool,
	      const struct netns_entry *netns, struct model *model, uint64_t now_boot_ns,
	      struct conflict *conflict);

/*
 * What the kernel would say to a bind or listen of this claim: 0, or an errno. Port 0: always 0.
 * Holders of a UDP port stand in the order of the kernel's slot, for it stops at the first one that
 * shares by SO_REUSEPORT: the last to bind first, but after them IPv6 sockets that had SO_REUSEPORT
 * when they took the port, the first to bind first (sk_add_node_rcu()).
 */
uint32_t diagnose_verdict(const struct claim *claim, const struct failure *failure,
			  const struct netns_entry *netns);

/* The same, of sockets as a look has found them: those of UDP in that order. */
uint32_t diagnose_verdict_in_order(const struct claim *claim, const struct wire_socket *found, size_t count,
				   const struct netns_entry *netns);

/* What a cause identifier means, in one line; NULL: no such cause. */
const char *diagnose_meaning(const char *cause);

/* The claim behind a failed bind, listen or connect event. false: the event is none of these. */
bool claim_from_event(const struct wire_hdr *event, struct claim *claim);
/* Counts the range of the claim's namespace over the table. */
void pool_count(const struct claim *claim, struct model *model, struct pool *pool);
/* Ports of the range that are known to be of no use to this claim, and those that are left. */
uint32_t pool_taken(const struct pool *pool);
bool pool_has_room(const struct pool *pool);
/* true for the errnos that are about a port: EADDRINUSE EADDRNOTAVAIL EACCES EPERM EINVAL EAGAIN,
 * and EOPNOTSUPP EAFNOSUPPORT EISCONN ENODEV: the wrong kind of socket, address or device. */
bool diagnose_wanted(uint32_t error);

#endif
