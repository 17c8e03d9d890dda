/* SPDX-License-Identifier: GPL-2.0-only */
/* The causes, how one is decided, and the functions that write its sentences. */
#ifndef PORTTRACE_DIAGNOSE_CAUSE_H
#define PORTTRACE_DIAGNOSE_CAUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diagnose/diagnose.h"

enum cause {
	CAUSE_NONE,
	/* a socket holds the port */
	CAUSE_LISTENER_EXISTS,
	CAUSE_WILDCARD_OVERLAP,
	CAUSE_DUAL_STACK_OVERLAP,
	CAUSE_BOUND_NOT_LISTENING,
	CAUSE_REUSEADDR_MISSING,
	CAUSE_REUSEADDR_MISSING_ON_HOLDER,
	CAUSE_REUSEPORT_MISSING,
	CAUSE_REUSEPORT_MISSING_ON_HOLDER,
	CAUSE_REUSEPORT_UID,
	CAUSE_REUSEPORT_PROG_ATTACHED,
	CAUSE_REUSE_OPTION_MISMATCH,
	CAUSE_LISTEN_RECHECK,
	CAUSE_UDP_HOLDER,
	CAUSE_UDP_CONNECTED_HOLDER,
	CAUSE_KERNEL_SOCKET,
	CAUSE_HOLDER_GONE,
	/* a connection, open or closed, holds the port */
	CAUSE_TIME_WAIT,
	CAUSE_TIME_WAIT_HOLDER_NOREUSE,
	CAUSE_FIN_WAIT2,
	CAUSE_ORPHAN,
	CAUSE_ACCEPTED_CONNECTION,
	CAUSE_EPHEMERAL_HOLDER,
	CAUSE_CONNECTED_CLIENT,
	CAUSE_SELF_CONNECT,
	/* no port is free */
	CAUSE_RANGE_EXHAUSTED,
	CAUSE_RANGE_TIME_WAIT,
	CAUSE_RANGE_BIND_POISONED,
	CAUSE_RANGE_RESERVED,
	CAUSE_FOUR_TUPLE_IN_USE,
	CAUSE_FOUR_TUPLE_TIME_WAIT,
	/* the connection failed after it had a port, or has no route: not about ports */
	CAUSE_NO_LISTENER,
	CAUSE_BACKLOG_FULL,
	CAUSE_NO_ROUTE,
	CAUSE_NO_ANSWER,
	CAUSE_RESET_BY_PEER,
	/* the address, the socket, the permission */
	CAUSE_NOT_LOCAL_ADDRESS,
	CAUSE_ADDRESS_TENTATIVE,
	CAUSE_NO_SOURCE_ADDRESS,
	CAUSE_ALREADY_BOUND,
	CAUSE_BAD_STATE,
	CAUSE_BAD_ADDRESS,
	CAUSE_SCOPE_MISSING,
	CAUSE_PRIVILEGED_PORT,
	CAUSE_DENIED_BY_CGROUP_BPF,
	CAUSE_REWRITTEN_BY_CGROUP_BPF,
	CAUSE_DENIED_BY_LSM,
	CAUSE_DENIED_BY_SECCOMP,
};

/* What is known about a refusal: the input of cause_decide() and of the sentences. */
struct finding {
	const struct claim *claim;
	uint32_t error;			  /* the kernel's errno, or the predicted one */
	const struct failure *failure;	  /* may be NULL */
	const struct pool *pool;	  /* NULL: not counted */
	const struct netns_entry *netns;  /* may be NULL */
	struct model *model;		  /* may be NULL */
	uint64_t now_boot_ns;
	const struct holder *const *holders; /* those that conflict, the primary first */
	size_t holder_count;
	const struct holder *holder;	  /* the primary; NULL: none */
	enum overlap overlap;		  /* of its address with the caller's */
	const char *enter;		  /* what a command begins with to act in the claim's network namespace: "" in
					   * porttrace's own; NULL: no command can enter it */
};

enum cause cause_decide(const struct finding *finding);

/* Appends a sentence to `out`, which has SENTENCE_SIZE bytes. */
typedef void sentence_fn(const struct finding *finding, char *out);
#define SENTENCE_SIZE sizeof(((struct conflict *)NULL)->why)

struct cause_row {
	const char *id;		/* as in docs/causes.md */
	const char *meaning;	/* of the identifier, in one line */
	sentence_fn *why;	/* about this case */
	sentence_fn *fix;	/* used if no remedy is known; NULL: another port always is a remedy */
};

/* NULL: past the last cause. */
const struct cause_row *cause_row(enum cause cause);

/* Appended if the kernel refused a call that the rules allow. */
sentence_fn why_unpredicted;

sentence_fn why_listener, why_wildcard, why_dual_stack, why_bound, why_reuseaddr_missing,
	why_reuseaddr_missing_on_holder, why_reuseport_missing,
	why_reuseport_missing_on_holder, why_reuseport_uid, why_reuseport_prog,
	why_reuse_mismatch, why_listen_recheck, why_udp_holder, why_udp_connected,
	why_kernel_socket, why_holder_gone;
sentence_fn fix_holder_gone;

sentence_fn why_time_wait, why_time_wait_noreuse, why_fin_wait2, why_orphan, why_accepted,
	why_ephemeral, why_client, why_self_connect;

sentence_fn why_range_exhausted, why_range_time_wait, why_range_poisoned, why_range_reserved,
	why_tuple_in_use, why_tuple_time_wait;
sentence_fn fix_range_exhausted, fix_range_time_wait, fix_range_poisoned, fix_range_reserved,
	fix_tuple_in_use, fix_tuple_time_wait;

sentence_fn why_no_listener, why_backlog_full, why_no_route, why_no_answer, why_reset_by_peer;
sentence_fn fix_no_listener, fix_backlog_full, fix_no_route, fix_no_answer, fix_reset_by_peer;

sentence_fn why_none, why_not_local, why_tentative, why_no_source, why_already_bound,
	why_bad_state, why_bad_address, why_scope_missing, why_privileged, why_cgroup_bpf,
	why_rewritten, why_lsm, why_seccomp;
sentence_fn fix_none, fix_not_local, fix_tentative, fix_no_source, fix_already_bound,
	fix_bad_state, fix_bad_address, fix_scope_missing, fix_privileged, fix_cgroup_bpf,
	fix_lsm, fix_seccomp;

#endif
