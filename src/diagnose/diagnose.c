/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A refusal explained: the holders that conflict are found and put in order, the cause is decided,
 * and the cause's row makes the sentences. Adding a cause is a row here and a line in cause.c.
 */
#include <errno.h>
#include <string.h>

#include "diagnose/cause.h"
#include "diagnose/remedy.h"
#include "diagnose/rules.h"
#include "diagnose/sentence.h"

struct cause_row {
	const char *id;
	const char *meaning;
	sentence_fn *why, *fix;
};

/* clang-format off */
static const struct cause_row causes[] = {
	[CAUSE_NONE] = {"none", "nothing stands in the way", why_none, fix_none},

	[CAUSE_LISTENER_EXISTS] = {"listener-exists",
		"a listening socket owns the port", why_listener, fix_listener},
	[CAUSE_WILDCARD_OVERLAP] = {"wildcard-overlap",
		"one of the two is bound to every address", why_wildcard, fix_wildcard},
	[CAUSE_DUAL_STACK_OVERLAP] = {"dual-stack-overlap",
		"an IPv6 socket has the IPv4 port as well", why_dual_stack, fix_dual_stack},
	[CAUSE_BOUND_NOT_LISTENING] = {"bound-not-listening",
		"a bound socket that does not listen has the port", why_bound, fix_bound},
	[CAUSE_REUSEADDR_MISSING] = {"reuseaddr-missing",
		"the holder would share, the caller did not ask",
		why_reuseaddr_missing, fix_reuseaddr_missing},
	[CAUSE_REUSEADDR_MISSING_ON_HOLDER] = {"reuseaddr-missing-on-holder",
		"the caller set SO_REUSEADDR, the holder did not",
		why_reuseaddr_missing_on_holder, fix_reuseaddr_missing_on_holder},
	[CAUSE_REUSEPORT_MISSING] = {"reuseport-missing",
		"the holder set SO_REUSEPORT, the caller did not",
		why_reuseport_missing, fix_reuseport_missing},
	[CAUSE_REUSEPORT_MISSING_ON_HOLDER] = {"reuseport-missing-on-holder",
		"the caller set SO_REUSEPORT, the holder did not",
		why_reuseport_missing_on_holder, fix_reuseport_missing_on_holder},
	[CAUSE_REUSEPORT_UID] = {"reuseport-uid",
		"SO_REUSEPORT shares within one uid only", why_reuseport_uid, fix_reuseport_uid},
	[CAUSE_REUSEPORT_PROG_ATTACHED] = {"reuseport-prog-attached",
		"a reuseport program was attached before bind()",
		why_reuseport_prog, fix_reuseport_prog},
	[CAUSE_REUSE_OPTION_MISMATCH] = {"reuse-option-mismatch",
		"one set SO_REUSEADDR, the other SO_REUSEPORT",
		why_reuse_mismatch, fix_reuse_mismatch},
	[CAUSE_LISTEN_RECHECK] = {"listen-recheck",
		"the port was shared at bind(), and somebody listens by now",
		why_listen_recheck, fix_listen_recheck},
	[CAUSE_UDP_HOLDER] = {"udp-holder",
		"a UDP socket has the port", why_udp_holder, fix_udp_holder},
	[CAUSE_UDP_CONNECTED_HOLDER] = {"udp-connected-holder",
		"a connected UDP socket has the port", why_udp_connected, fix_udp_holder},
	[CAUSE_KERNEL_SOCKET] = {"kernel-socket",
		"the kernel itself has the port", why_kernel_socket, fix_kernel_socket},
	[CAUSE_HOLDER_GONE] = {"holder-gone",
		"whoever held the port has let go", why_holder_gone, fix_holder_gone},

	[CAUSE_TIME_WAIT] = {"time-wait",
		"a closed connection keeps the port for a minute", why_time_wait, fix_time_wait},
	[CAUSE_TIME_WAIT_HOLDER_NOREUSE] = {"time-wait-holder-noreuse",
		"a closed connection that did not set SO_REUSEADDR keeps the port",
		why_time_wait_noreuse, fix_time_wait_noreuse},
	[CAUSE_FIN_WAIT2] = {"fin-wait2",
		"a connection was closed on this side only", why_fin_wait2, fix_fin_wait2},
	[CAUSE_ORPHAN] = {"orphan",
		"a connection that no process has is still closing", why_orphan, fix_orphan},
	[CAUSE_ACCEPTED_CONNECTION] = {"accepted-connection",
		"a connection accepted on the port lives on", why_accepted, fix_accepted},
	[CAUSE_EPHEMERAL_HOLDER] = {"ephemeral-holder",
		"an outgoing connection was given the port", why_ephemeral, fix_ephemeral},
	[CAUSE_CONNECTED_CLIENT] = {"connected-client",
		"an outgoing connection bound the port", why_client, fix_client},
	[CAUSE_SELF_CONNECT] = {"self-connect",
		"a connection from the port to itself", why_self_connect, fix_self_connect},

	[CAUSE_RANGE_EXHAUSTED] = {"range-exhausted",
		"every ephemeral port is in use", why_range_exhausted, fix_range_exhausted},
	[CAUSE_RANGE_TIME_WAIT] = {"range-time-wait",
		"most ephemeral ports are in TIME_WAIT", why_range_time_wait, fix_range_time_wait},
	[CAUSE_RANGE_BIND_POISONED] = {"range-bind-poisoned",
		"bind() has closed most ephemeral ports to connect()",
		why_range_poisoned, fix_range_poisoned},
	[CAUSE_RANGE_RESERVED] = {"range-reserved",
		"most ephemeral ports are reserved", why_range_reserved, fix_range_reserved},
	[CAUSE_FOUR_TUPLE_IN_USE] = {"four-tuple-in-use",
		"the same connection exists already", why_tuple_in_use, fix_tuple_in_use},
	[CAUSE_FOUR_TUPLE_TIME_WAIT] = {"four-tuple-time-wait",
		"the same connection is in TIME_WAIT", why_tuple_time_wait, fix_tuple_time_wait},

	[CAUSE_NOT_LOCAL_ADDRESS] = {"not-local-address",
		"the address is not this namespace's", why_not_local, fix_not_local},
	[CAUSE_ADDRESS_TENTATIVE] = {"address-tentative",
		"the address is being checked for duplicates", why_tentative, fix_tentative},
	[CAUSE_NO_SOURCE_ADDRESS] = {"no-source-address",
		"there is no address to connect from", why_no_source, fix_no_source},
	[CAUSE_ALREADY_BOUND] = {"already-bound",
		"the socket has a port already", why_already_bound, fix_already_bound},
	[CAUSE_BAD_STATE] = {"bad-state",
		"the socket is not in a state for this call", why_bad_state, fix_bad_state},
	[CAUSE_BAD_ADDRESS] = {"bad-address",
		"the address does not fit the socket", why_bad_address, fix_bad_address},
	[CAUSE_SCOPE_MISSING] = {"scope-missing",
		"a link-local address needs its interface", why_scope_missing, fix_scope_missing},
	[CAUSE_PRIVILEGED_PORT] = {"privileged-port",
		"the port needs CAP_NET_BIND_SERVICE", why_privileged, fix_privileged},
	[CAUSE_DENIED_BY_CGROUP_BPF] = {"denied-by-cgroup-bpf",
		"a BPF program of the cgroup refused", why_cgroup_bpf, fix_cgroup_bpf},
	[CAUSE_REWRITTEN_BY_CGROUP_BPF] = {"rewritten-by-cgroup-bpf",
		"a BPF program of the cgroup changed what was asked for",
		why_rewritten, fix_cgroup_bpf},
	[CAUSE_DENIED_BY_LSM] = {"denied-by-lsm",
		"a security module refused", why_lsm, fix_lsm},
	[CAUSE_DENIED_BY_SECCOMP] = {"denied-by-seccomp",
		"a seccomp filter answered in the kernel's place", why_seccomp, fix_seccomp},
};
/* clang-format on */

#define CAUSES (sizeof(causes) / sizeof(causes[0]))

const char *diagnose_meaning(const char *cause)
{
	for (size_t i = 0; i < CAUSES; i++) {
		if (!strcmp(causes[i].id, cause))
			return causes[i].meaning;
	}
	return NULL;
}

/* After those of its rank, so that the kernel's order stays within one. */
static void holder_insert(struct conflict *conflict, const struct holder *holder)
{
	size_t at = conflict->holder_count++;

	while (at > 0 &&
	       holder_rank(&conflict->holders[at - 1]->sock) > holder_rank(&holder->sock)) {
		conflict->holders[at] = conflict->holders[at - 1];
		at--;
	}
	conflict->holders[at] = holder;
}

static void find_holders(const struct claim *claim, const struct failure *failure,
			 struct conflict *conflict)
{
	enum overlap overlap;

	for (size_t i = 0;
	     i < failure->holder_count && conflict->holder_count < CONFLICT_HOLDERS_MAX; i++) {
		if (sock_refuses(claim, &failure->holders[i].sock, &overlap))
			holder_insert(conflict, &failure->holders[i]);
	}
}

/* The errnos that a holder can be the reason of, where the socket's own code gave them. */
static bool is_about_holders(const struct finding *f)
{
	if (!f->claim->sock.local_port || f->claim->by_seccomp ||
	    f->claim->sock.flags & WIRE_REFUSED_BY_CGROUP)
		return false;
	return f->error == (f->claim->call == CLAIM_CONNECT ? EADDRNOTAVAIL : EADDRINUSE);
}

static void begin_with_capital(char *sentence)
{
	if (*sentence >= 'a' && *sentence <= 'z')
		*sentence += 'A' - 'a';
}

/* A process or a call keeps its name. */
static void begin_why(char *why)
{
	if (!strncmp(why, "an unknown process", 18) || !strncmp(why, "the caller", 10))
		begin_with_capital(why);
}

/* "Stop node[4211]: kill 4211" */
static void write_fix(const struct remedy *remedy, char *out)
{
	size_t length = strlen(remedy->text);

	if (!remedy->command[0])
		sentence_append(out, "%s", remedy->text);
	else
		sentence_append(out, "%.*s: %s", (int)(length ? length - 1 : 0), remedy->text, remedy->command);
}

void diagnose(const struct claim *claim, const struct failure *failure, const struct pool *pool,
	      const struct netns_entry *netns, struct model *model, uint64_t now_boot_ns,
	      struct conflict *conflict)
{
	struct finding f = {
		.claim = claim,
		.error = claim->error ? claim->error : diagnose_verdict(claim, failure, netns),
		.failure = failure,
		.pool = pool && pool->low ? pool : NULL,
		.netns = netns,
		.model = model,
		.now_boot_ns = now_boot_ns,
		.enter = claim->is_unreachable ? NULL : claim->enter ? claim->enter : "",
		.holders = conflict->holders,
	};
	struct claim other_reading = *claim;
	enum cause cause;

	other_reading.orphan_is_root = !claim->orphan_is_root;
	memset(conflict, 0, sizeof(*conflict));
	if (failure && is_about_holders(&f)) {
		find_holders(claim, failure, conflict);
		/* The errno is there; which kernel gave it is told by which reading explains it. */
		if (!conflict->holder_count)
			find_holders(&other_reading, failure, conflict);
	}
	f.holder_count = conflict->holder_count;
	if (f.holder_count) {
		f.holder = conflict->holders[0];
		sock_refuses(claim, &f.holder->sock, &f.overlap);
	}

	cause = cause_decide(&f);
	conflict->cause = causes[cause].id;
	conflict->predicted = f.holder_count || !is_about_holders(&f) || !failure;
	if (cause == CAUSE_RANGE_EXHAUSTED || cause == CAUSE_RANGE_RESERVED)
		conflict->predicted = !pool_has_room(f.pool);
	causes[cause].why(&f, conflict->why);
	if (!conflict->predicted)
		why_unpredicted(&f, conflict->why);
	remedy_find(&f, cause, conflict);
	if (conflict->remedy_count)
		write_fix(&conflict->remedies[0], conflict->fix);
	else
		causes[cause].fix(&f, conflict->fix);
	begin_why(conflict->why);
	begin_with_capital(conflict->fix);
}
