/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Explains why the kernel refused a port, which sockets hold it, and what would help.
 *
 * Pure: input is the call and the sockets on the port, output is a cause with its sentences. The rules are
 * those of net/ipv4/inet_connection_sock.c, net/ipv4/udp.c and net/ipv4/inet_hashtables.c; the causes are
 * described in docs/causes.md. The kernel's errno is taken as given and never contradicted.
 */
#ifndef PORTTRACE_DIAGNOSE_DIAGNOSE_H
#define PORTTRACE_DIAGNOSE_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "porttrace/wire.h"

/*
 * The fast-path fields of a TCP bind bucket (struct inet_bind_bucket, include/net/inet_hashtables.h). They
 * describe the sockets as they were when they were bound.
 */
struct bucket {
	int8_t fastreuse;	/* > 0: all have SO_REUSEADDR and none listened; -1: made by connect() */
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

/* A call. sock.local_* is the address and port in effect for it (port 0: the kernel chooses). */
struct claim {
	enum claim_call call;
	struct wire_sock sock;
	struct wire_task task;
	uint32_t error;			/* the kernel's errno; 0: predict it (porttrace why) */
	uint8_t requested_addr[16];	/* as passed, before a cgroup program changed it */
	uint16_t requested_port;
	uint16_t bound_port;		/* with had_port; 0: unknown */
	bool had_port;			/* the socket already had a port */
	bool address_tentative;		/* IFA_F_TENTATIVE */
	bool remote_is_local;		/* CLAIM_CONNECT: the caller's network namespace has the remote address */
	bool is_predicted;		/* CLAIM_CONNECT: of porttrace why; nothing was connected */
	uint64_t began_boot_ns;		/* CLAIM_CONNECT: when the connection got its port; 0: not known */
	bool by_seccomp;		/* a seccomp filter returned the errno */
	bool has_net_bind_service;	/* only for error 0 */
	bool autobind_reuse;		/* net.ipv4.ip_autobind_reuse; only for error 0 */
	bool orphan_is_root;		/* an orphan counts as uid 0: sock_i_uid() before 6.17 */
	const char *enter;		/* what a root shell types before a command to act in the claim's network
					 * namespace ("ip netns exec blue "); NULL: it is porttrace's own */
	bool is_unreachable;		/* no command can enter that namespace */
	bool in_pid_namespace;		/* porttrace runs in one: a holder without a process may have one outside */
	bool keeps_timewait;		/* WIRE_NETNS_KEEPS_TIMEWAIT: SOCK_DESTROY refuses a TIME_WAIT */
	const struct bucket *bucket;	/* only for error 0; NULL: unknown, or none */
};

/* How two addresses meet. DUAL_STACK: one is IPv4 or IPv4-mapped, the other IPv6. */
enum overlap {
	OVERLAP_NONE,
	OVERLAP_EXACT,
	OVERLAP_WILDCARD_HOLDER,
	OVERLAP_WILDCARD_CALLER,
	OVERLAP_DUAL_STACK,
};

/* Ports of the ephemeral range that a claim cannot use, by reason. */
struct pool {
	uint32_t low, high, size;	/* low 0: unknown */
	uint32_t reserved, bound, time_wait, other;
	struct wire_task top;		/* the process with most of them; pid 0: unknown */
	uint32_t top_count;		/* sockets of `top`, TIME_WAITs included */
	uint32_t top_bound, top_connected; /* of these: without and with a TCP connection, not closed */
	uint32_t closed;		/* ports that every connect() of TCP skips, because of a bind() */
	uint32_t wildcard;		/* ports that a socket on a wildcard address has on every local address */
};

enum remedy_action {
	REMEDY_STOP_PROCESS,
	REMEDY_STOP_UNIT,
	REMEDY_STOP_CONTAINER,
	REMEDY_DESTROY_SOCKET,
	REMEDY_SET_CALLER_OPTION,
	REMEDY_SET_HOLDER_OPTION,
	REMEDY_OTHER_PORT,
	REMEDY_OTHER_ADDRESS,
	REMEDY_SYSCTL,
	REMEDY_GRANT_CAPABILITY,
	REMEDY_RESERVE_PORT,
	REMEDY_USE_INHERITED_FD,
	REMEDY_FIX_ADDRESS,
	REMEDY_START_PROCESS,
	REMEDY_WAIT,
};

enum remedy_effect {
	REMEDY_NOW,	 /* a retry right after it succeeds */
	REMEDY_AFTER,	 /* a retry after_s later succeeds */
	REMEDY_RESTART,	 /* it succeeds once the program is changed or started again */
	REMEDY_PREVENTS, /* it helps the next time only */
};

struct remedy {
	enum remedy_action action;
	enum remedy_effect effect;
	uint32_t after_s;	/* REMEDY_AFTER */
	char option[40];	/* "SO_REUSEADDR", or the dotted name of a sysctl; "": none */
	char value[40];
	char text[384];		/* one sentence, names escaped */
	char command[1024];	/* for a root shell where porttrace runs; "": code or configuration must change */
};
#define CONFLICT_REMEDIES_MAX 6

/* What the programs did to get there, beside the kernel's rule. */
struct note {
	const char *id;		/* "second-instance", static */
	char text[512];		/* one sentence, names escaped */
};
#define CONFLICT_NOTES_MAX 4

#define CONFLICT_HOLDERS_MAX FAILURE_HOLDERS_MAX
struct conflict {
	const char *cause;	/* an identifier of docs/causes.md, static */
	char why[512];		/* one sentence, UTF-8, names escaped */
	char fix[512];		/* the first remedy, as one sentence */
	struct remedy remedies[CONFLICT_REMEDIES_MAX]; /* best first; each makes the call succeed */
	size_t remedy_count;
	struct note notes[CONFLICT_NOTES_MAX];
	size_t note_count;
	uint64_t repeat;	/* how often this program has failed so on this port lately, this time included; 0: no port */
	/* those that conflict, the primary first; borrowed */
	const struct holder *holders[CONFLICT_HOLDERS_MAX];
	size_t holder_count;
	bool of_servers;	/* a connection failed: the holders are sockets to which it might have gone */
	size_t holder_more;	/* that conflict and did not fit; set by the caller of diagnose() */
	const struct process_table *processes; /* of the holders and the caller; borrowed from the model; NULL: none */
	bool predicted;		/* false: by the rules and the sockets found, the call should have
				 * succeeded; `why` says so */
};

/* Whether `holder` conflicts with `claim`. *overlap (may be NULL): how their addresses meet, even if they may
 * share the port. */
bool conflict_between(const struct claim *claim, const struct holder *holder,
		      enum overlap *overlap);

/*
 * Explains a failed call. `failure`: the sockets on the port (NULL: not looked up); `pool`: for port 0 and
 * connect() (may be NULL); `netns`: settings (may be NULL); `now_boot_ns`: for "2.9 s ago"; `model`: for units
 * and names (may be NULL). Always fills *conflict, which borrows from `failure`. For a claim with error 0 it
 * explains the errno that diagnose_verdict() predicts.
 */
void diagnose(const struct claim *claim, const struct failure *failure, const struct pool *pool,
	      const struct netns_entry *netns, struct model *model, uint64_t now_boot_ns,
	      struct conflict *conflict);

/*
 * Predicts a bind(), listen() or connect(): 0 or an errno. Port 0 without another error: 0.
 * Holders of a UDP port must be in the order of the kernel's hash slot, because udp_lib_lport_inuse() stops at
 * the first one that shares by SO_REUSEPORT: the last bound first, except that IPv6 sockets which had
 * SO_REUSEPORT when they were bound are at the end, the first bound first (include/net/sock.h,
 * sk_add_node_rcu()).
 */
uint32_t diagnose_verdict(const struct claim *claim, const struct failure *failure,
			  const struct netns_entry *netns);

/* The same for sockets as a scan returned them; those of UDP in the kernel's order. */
uint32_t diagnose_verdict_in_order(const struct claim *claim, const struct wire_socket *found, size_t count,
				   const struct netns_entry *netns);

/* The same, of sockets alone, in that order. */
uint32_t diagnose_verdict_of_socks(const struct claim *claim, const struct wire_sock *socks, size_t count,
				   const struct netns_entry *netns);

/* What a cause identifier means, in one line; NULL: unknown identifier. */
const char *diagnose_meaning(const char *cause);

/* Makes the claim of a failed bind, listen or connect event. false: the event is not one of these. */
bool claim_from_event(const struct wire_hdr *event, struct claim *claim);
/* Counts the ephemeral range of the claim's network namespace, or the part of it that is the socket's. `scan`: the
 * sockets that a scan found after the refusal, and the settings; `stream`: those known at the refusal (may be NULL). */
void pool_count(const struct claim *claim, struct model *scan, struct model *stream, struct pool *pool);
/* Ports of the range that the claim cannot use, as far as known. */
uint32_t pool_taken(const struct pool *pool);
/* At least 90 % of the range is known to be unusable: that explains a refusal. */
bool pool_is_accounted_for(const struct pool *pool);
/* At least half of the range is free. `pool` may be NULL: false. */
bool pool_has_room(const struct pool *pool);
/* true for errnos that are about the port, the address, the permission or the kind of socket. */
bool diagnose_wanted(uint32_t error);

#endif
