/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Explains a refusal: finds the holders that conflict, orders them, decides the cause, and has the cause's
 * functions write the sentences.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "diagnose/cause.h"
#include "diagnose/note.h"
#include "diagnose/remedy.h"
#include "diagnose/rules.h"
#include "diagnose/sentence.h"

/* Inserts a holder after those of its rank, so that the kernel's order is kept within a rank. */
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

/* The sockets to which the connection might have gone, the nearest first. A timeout is about those that it reached.
 * Other network namespaces often have servers on the same port: they are named where no other socket is near. */
static void find_servers(const struct finding *f, const struct failure *failure, struct conflict *conflict)
{
	const struct wire_sock *sk = &f->claim->sock;

	for (size_t i = 0; i < failure->holder_count && conflict->holder_count < CONFLICT_HOLDERS_MAX; i++) {
		const struct holder *server = &failure->holders[i];
		unsigned int distance = sock_distance(sk, &server->sock);
		size_t at = conflict->holder_count;

		if (distance == UINT_MAX || (distance && f->error != ECONNREFUSED))
			continue;
		for (; at > 0 && sock_distance(sk, &conflict->holders[at - 1]->sock) > distance; at--)
			conflict->holders[at] = conflict->holders[at - 1];
		conflict->holders[at] = server;
		conflict->holder_count++;
	}
	while (conflict->holder_count && conflict->holders[0]->sock.netns == sk->netns &&
	       conflict->holders[conflict->holder_count - 1]->sock.netns != sk->netns)
		conflict->holder_count--;
}

/* Whether another socket can be the reason: by the errno, and because the socket code returned it. */
static bool is_about_holders(const struct finding *f)
{
	if (!f->claim->sock.local_port || f->claim->by_seccomp ||
	    f->claim->sock.flags & WIRE_REFUSED_BY_CGROUP)
		return false;
	return f->error == (f->claim->call == CLAIM_CONNECT ? EADDRNOTAVAIL : EADDRINUSE);
}

/* The call was refused before it came to the port: who would refuse it next. */
static void find_next_holders(struct finding *f, enum cause cause, struct conflict *conflict)
{
	if (!f->failure || (cause != CAUSE_PRIVILEGED_PORT && cause != CAUSE_ALREADY_BOUND))
		return;
	find_holders(f->claim, f->failure, conflict);
	f->holder_count = conflict->holder_count;
	if (f->holder_count)
		f->holder = conflict->holders[0];
}

static void begin_with_capital(char *sentence)
{
	if (*sentence >= 'a' && *sentence <= 'z')
		*sentence += 'A' - 'a';
}

/* Names of processes and calls keep their spelling. */
static void begin_why(char *why)
{
	if (!strncmp(why, "an unknown process", 18) || !strncmp(why, "a process o", 11) || !strncmp(why, "the caller", 10))
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

static void begin_fix(const struct finding *f, char *fix)
{
	struct phrase name = holder_name(f);

	if (strncmp(fix, name.s, strlen(name.s)))
		begin_with_capital(fix);
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
	struct claim other_rule = *claim;
	const struct cause_row *row;
	enum cause cause;

	other_rule.orphan_is_root = !claim->orphan_is_root;
	/* Do not clear the large arrays of remedies and holders: their counts say which elements are valid. */
	conflict->why[0] = conflict->fix[0] = '\0';
	conflict->remedy_count = conflict->holder_count = conflict->holder_more = 0;
	conflict->processes = model ? model_processes(model) : NULL;
	if (failure && is_about_holders(&f)) {
		find_holders(claim, failure, conflict);
		/* Kernels differ in the uid of an orphan. The call failed, so use the rule that explains it. */
		if (!conflict->holder_count)
			find_holders(&other_rule, failure, conflict);
	}
	conflict->of_servers = claim->call == CLAIM_CONNECT && connect_failed(f.error);
	if (failure && conflict->of_servers)
		find_servers(&f, failure, conflict);
	f.holder_count = conflict->holder_count;
	if (f.holder_count) {
		f.holder = conflict->holders[0];
		sock_refuses(claim, &f.holder->sock, &f.overlap);
	}

	cause = cause_decide(&f);
	row = cause_row(cause);
	conflict->cause = row->id;
	conflict->predicted = f.holder_count || !is_about_holders(&f) || !failure;
	if (cause == CAUSE_RANGE_EXHAUSTED || cause == CAUSE_RANGE_RESERVED)
		conflict->predicted = !pool_has_room(f.pool);
	find_next_holders(&f, cause, conflict);
	row->why(&f, conflict->why);
	if (!conflict->predicted)
		why_unpredicted(&f, conflict->why);
	note_find(&f, conflict);
	remedy_find(&f, cause, conflict);
	if (conflict->remedy_count)
		write_fix(&conflict->remedies[0], conflict->fix);
	else if (row->fix)
		row->fix(&f, conflict->fix);
	begin_why(conflict->why);
	begin_fix(&f, conflict->fix);
}
