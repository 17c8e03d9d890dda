/* SPDX-License-Identifier: GPL-2.0-only */
/* Decides when to warn about a pool, and writes the sentences of all warnings. */
#include "diagnose/warning.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/sentence.h"
#include "util/address.h"

#define POOLS_MAX     256
#define WARN_BEFORE_NS	    60000000000ULL
#define WARN_FROM_PERCENT   10 /* in use: no prediction is printed for an emptier pool */
#define RECOVERED_INTERVALS 3  /* without a reason to warn; then the next warning is printed */

enum stage { STAGE_QUIET, STAGE_WARNED, STAGE_EXHAUSTED };

struct warned {
	struct wire_pool pool; /* only what identifies it is used */
	enum stage stage;
	unsigned int quiet_intervals; /* since there was a reason to warn */
	uint64_t boot_ns;	      /* last seen; 0: unused */
};

struct warner {
	struct warned pools[POOLS_MAX];
};

struct warner *warner_new(void)
{
	return calloc(1, sizeof(struct warner));
}

void warner_free(struct warner *warner)
{
	free(warner);
}

static bool is_same_pool(const struct wire_pool *a, const struct wire_pool *b)
{
	return a->netns == b->netns && a->protocol == b->protocol && a->remote_port == b->remote_port &&
	       !memcmp(a->local_addr, b->local_addr, sizeof(a->local_addr)) &&
	       !memcmp(a->remote_addr, b->remote_addr, sizeof(a->remote_addr));
}

/* Finds the state of a pool; a new pool replaces the one that was not seen for the longest time. */
static struct warned *warned_get_or_add(struct warner *warner, const struct wire_pool *pool)
{
	struct warned *oldest = &warner->pools[0];

	for (size_t i = 0; i < POOLS_MAX; i++) {
		struct warned *warned = &warner->pools[i];

		if (warned->boot_ns && is_same_pool(&warned->pool, pool))
			return warned;
		if (warned->boot_ns < oldest->boot_ns)
			oldest = warned;
	}
	*oldest = (struct warned){.pool = *pool};
	return oldest;
}

/* For bind(), a full range matters only if a process takes ports by bind() in this interval. */
static bool is_used(const struct forecast *forecast, const struct churn *churn)
{
	if (forecast->pool->now.remote_port)
		return true;
	if (forecast->pool->now.protocol == IPPROTO_UDP)
		return forecast->towards.allocated || churn->failed_send || churn->failed_connect_again;
	return forecast->towards.allocated || churn->failed_bind || churn->failed_listen;
}

static bool is_exhausted(const struct forecast *forecast)
{
	return forecast->failed && forecast->will_fill && !forecast->full_in_ns;
}

static bool will_be_exhausted(const struct forecast *forecast)
{
	const struct wire_pool *now = &forecast->pool->now;

	return forecast->will_fill && forecast->full_in_ns && forecast->full_in_ns <= WARN_BEFORE_NS &&
	       now->in_use >= now->capacity * (uint64_t)WARN_FROM_PERCENT / 100;
}

static void append_pool(const struct wire_pool *pool, char *out)
{
	sentence_append(out, "%s ports %u to %u", pool->protocol == IPPROTO_UDP ? "UDP" : "TCP", pool->range_low,
			pool->range_high);
	if (pool->remote_port)
		sentence_append(out, " for connections from %s to %s", address_text(pool->local_addr).s,
				endpoint(pool->remote_addr, pool->remote_port).s);
	else
		sentence_append(out, " on %s", address_text(pool->local_addr).s);
}

static void append_in_use(const struct forecast *forecast, char *out)
{
	const struct wire_pool *now = &forecast->pool->now;

	sentence_append(out, "%s of %s are in use", with_commas(now->in_use).s, with_commas(now->capacity).s);
	if (now->timewait)
		sentence_append(out, ", %s by connections closed in the last minute (TIME_WAIT)",
				with_commas(now->timewait).s);
	if (forecast->towards.most.task.pid)
		sentence_append(out, ", most taken by %s", task_name(&forecast->towards.most.task).s);
}

static void append_seconds(uint64_t ns, char *out)
{
	if (ns < 10000000000ULL)
		sentence_append(out, "%.1f s", (double)ns / 1e9);
	else
		sentence_append(out, "%llu s", (unsigned long long)(ns / 1000000000ULL));
}

static void fix_of_pool(const struct forecast *forecast, const struct churn *churn, char *out)
{
	const struct wire_pool *now = &forecast->pool->now;
	uint32_t size = now->range_high - now->range_low + 1U;

	if (now->remote_port && now->capacity < size / 2 && churn->now.tcp_bound > size / 4) {
		sentence_append(out,
				"Set IP_BIND_ADDRESS_NO_PORT before each bind() to port 0 that a connect() follows: "
				"bind() holds %s ports, which connect() cannot use.",
				with_commas(churn->now.tcp_bound).s);
		return;
	}
	if (!now->remote_port) {
		/* A wildcard socket has its port on every address. */
		sentence_append(out, address_is_wildcard(now->local_addr) ?
				"Close sockets, or widen net.ipv4.ip_local_port_range" :
				"Close sockets, widen net.ipv4.ip_local_port_range, or bind to more local addresses");
		if (now->protocol == IPPROTO_TCP)
			sentence_append(out, "; set IP_BIND_ADDRESS_NO_PORT if a connect() follows, so that "
					     "connections share ports");
		sentence_append(out, ".");
		return;
	}
	sentence_append(out, "Keep connections open and reuse them");
	if (now->timewait > now->in_use / 2 && !forecast->reuses)
		sentence_append(out, ", set net.ipv4.tcp_tw_reuse=1 (needs TCP timestamps), let the peer close first");
	sentence_append(out, ", or widen net.ipv4.ip_local_port_range.");
}

/* To the nearest integer, limited to what 64 bits hold: a capture can claim any rate. */
static uint64_t whole(double rate)
{
	return rate < 0x1p63 ? (uint64_t)(rate + 0.5) : UINT64_MAX;
}

static void exhaustion(const struct forecast *forecast, const struct churn *churn, struct warning *warning)
{
	warning->kind = "exhaustion";
	append_pool(&forecast->pool->now, warning->why);
	sentence_append(warning->why, " will run out in ");
	append_seconds(forecast->full_in_ns, warning->why);
	sentence_append(warning->why, " at %s/s", with_commas(whole(forecast->rate)).s);
	if (forecast->sustainable > 0)
		sentence_append(warning->why, " (%s/s can be sustained)",
				with_commas((uint64_t)forecast->sustainable).s);
	sentence_append(warning->why, ": ");
	append_in_use(forecast, warning->why);
	sentence_append(warning->why, ".");
	fix_of_pool(forecast, churn, warning->fix);
}

static void exhausted(const struct forecast *forecast, const struct churn *churn, struct warning *warning)
{
	warning->kind = "exhausted";
	warning->count = forecast->towards.failed;
	append_pool(&forecast->pool->now, warning->why);
	sentence_append(warning->why, " are exhausted: ");
	append_in_use(forecast, warning->why);
	sentence_append(warning->why, ".");
	fix_of_pool(forecast, churn, warning->fix);
}

static void about_pool(const struct forecast *forecast, struct warning *warning)
{
	const struct wire_pool *now = &forecast->pool->now;

	*warning = (struct warning){.task = forecast->towards.most.task, .forecast = forecast};
	warning->sock.netns = now->netns;
	warning->sock.protocol = now->protocol;
	warning->sock.remote_port = now->remote_port;
	warning->sock.family = address_is_mapped(now->local_addr) ? AF_INET : AF_INET6;
	memcpy(warning->sock.local_addr, now->local_addr, sizeof(now->local_addr));
	memcpy(warning->sock.remote_addr, now->remote_addr, sizeof(now->remote_addr));
}

bool warning_of_pool(struct warner *warner, const struct forecast *forecast, const struct churn *churn,
		     struct warning *warning)
{
	struct warned *warned = warned_get_or_add(warner, &forecast->pool->now);
	bool is_out, will_be;

	warned->boot_ns = forecast->pool->now.hdr.boot_ns;
	is_out = is_used(forecast, churn) && is_exhausted(forecast);
	will_be = is_used(forecast, churn) && will_be_exhausted(forecast);
	warned->quiet_intervals = is_out || will_be ? 0 : warned->quiet_intervals + 1;
	if (warned->quiet_intervals >= RECOVERED_INTERVALS)
		warned->stage = STAGE_QUIET;
	about_pool(forecast, warning);
	if (is_out && warned->stage != STAGE_EXHAUSTED) {
		warned->stage = STAGE_EXHAUSTED;
		exhausted(forecast, churn, warning);
		return true;
	}
	if (will_be && warned->stage == STAGE_QUIET) {
		warned->stage = STAGE_WARNED;
		exhaustion(forecast, churn, warning);
		return true;
	}
	return false;
}

static struct phrase process_name(const struct wire_task *task)
{
	return task->pid ? task_name(task) : (struct phrase){"A process"};
}

static void bind_before_connect(const struct wire_misuse *misuse, struct warning *warning)
{
	warning->kind = "bind-before-connect";
	sentence_append(warning->why,
			"%s binds to port 0 of %s and then connects to %s: no other connect() in this network "
			"namespace can share that port, whatever its destination.",
			process_name(&misuse->task).s, address_text(misuse->sock.local_addr).s,
			endpoint(misuse->sock.remote_addr, misuse->sock.remote_port).s);
	sentence_append(warning->fix, "Set IP_BIND_ADDRESS_NO_PORT before the bind(): connect() then chooses a port "
				      "that connections to other destinations can share.");
}

static void service_port(const struct wire_misuse *misuse, const struct netns_entry *netns,
			 struct warning *warning)
{
	warning->kind = "service-port-in-range";
	sentence_append(warning->why, "%s listens on %s, inside the ephemeral range",
			process_name(&misuse->task).s,
			endpoint(misuse->sock.local_addr, misuse->sock.local_port).s);
	if (netns && netns->now.range_low)
		sentence_append(warning->why, " %u to %u", netns->now.range_low, netns->now.range_high);
	sentence_append(warning->why, ": while it is not running, the kernel may give the port to an outgoing "
				      "connection, and then it cannot start.");
	sentence_append(warning->fix,
			"Add %u to net.ipv4.ip_local_reserved_ports, or listen on a port outside the range.",
			misuse->sock.local_port);
}

static void self_connect(const struct wire_misuse *misuse, struct warning *warning)
{
	warning->kind = "self-connect";
	sentence_append(warning->why,
			"%s connected to itself: no process listens on %s, and the kernel chose the same port as "
			"the source port.",
			process_name(&misuse->task).s,
			endpoint(misuse->sock.remote_addr, misuse->sock.remote_port).s);
	sentence_append(warning->fix,
			"Add %u to net.ipv4.ip_local_reserved_ports, or let the client close a connection whose "
			"two addresses are equal: while it is open, the service cannot bind its port.",
			misuse->sock.remote_port);
}

static void overflow(const struct wire_misuse *misuse, struct warning *warning)
{
	warning->kind = "timewait-overflow";
	sentence_append(warning->why,
			"%s closed connections that did not enter TIME_WAIT because that table is full",
			process_name(&misuse->task).s);
	if (misuse->limit)
		sentence_append(warning->why, " (net.ipv4.tcp_max_tw_buckets is %s)",
				with_commas(misuse->limit).s);
	sentence_append(warning->why, ": their ports are free at once and not protected against late segments, and "
				      "the TIME_WAIT count is lower than the number of closed connections.");
	sentence_append(warning->fix, "Raise net.ipv4.tcp_max_tw_buckets, or keep connections open and reuse them.");
}

void warning_of_misuse(const struct wire_misuse *misuse, const struct netns_entry *netns,
		       struct warning *warning)
{
	*warning = (struct warning){.sock = misuse->sock, .task = misuse->task, .count = misuse->count};
	switch ((enum wire_misuse_kind)misuse->misuse) {
	case WIRE_MISUSE_BIND_CONNECT:
		bind_before_connect(misuse, warning);
		return;
	case WIRE_MISUSE_SERVICE_PORT:
		service_port(misuse, netns, warning);
		return;
	case WIRE_MISUSE_SELF_CONNECT:
		self_connect(misuse, warning);
		return;
	case WIRE_MISUSE_OVERFLOW:
		overflow(misuse, warning);
		return;
	}
}
