/* SPDX-License-Identifier: GPL-2.0-only */
/* When to warn of a pool, and the sentences of every warning. */
#include "diagnose/warning.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/sentence.h"
#include "util/address.h"

#define POOLS_MAX     256
#define SOON_NS	      60000000000ULL
#define NOT_EMPTY     10 /* a pool is worth a warning from a tenth on */
#define AS_GOOD_AS    90 /* percent: with refusals, full */
#define RECOVERED     3	 /* intervals without a reason to warn */

enum stage { STAGE_QUIET, STAGE_WARNED, STAGE_EXHAUSTED };

struct warned {
	struct wire_pool pool; /* for its addresses */
	enum stage stage;
	unsigned int well; /* intervals since there was a reason */
	uint64_t boot_ns;  /* seen last */
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

/* The place of a pool; where it has none, that of the one longest unseen. */
static struct warned *warned_of(struct warner *warner, const struct wire_pool *pool)
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

/* bind() and a full range: only where somebody asks for ports in that way. */
static bool is_used(const struct forecast *forecast, const struct churn *churn)
{
	if (forecast->pool->now.remote_port)
		return true;
	if (forecast->pool->now.protocol == IPPROTO_UDP)
		return forecast->towards.allocated || churn->failed_send || churn->failed_connect_again;
	return forecast->towards.allocated || churn->failed_bind || churn->failed_listen;
}

static bool is_exhausted(const struct forecast *forecast, const struct churn *churn)
{
	const struct wire_pool *now = &forecast->pool->now;
	uint64_t failed = forecast->towards.failed;

	if (!now->remote_port && now->protocol == IPPROTO_TCP)
		failed = churn->failed_bind + churn->failed_listen;
	return failed && now->in_use * 100ULL >= now->capacity * (uint64_t)AS_GOOD_AS;
}

static bool will_be_exhausted(const struct forecast *forecast)
{
	const struct wire_pool *now = &forecast->pool->now;

	return forecast->will_fill && forecast->full_in_ns && forecast->full_in_ns <= SOON_NS &&
	       now->in_use >= now->capacity / NOT_EMPTY;
}

static void append_pool(const struct wire_pool *pool, char *out)
{
	sentence_append(out, "%s ports %u to %u", pool->protocol == IPPROTO_UDP ? "UDP" : "TCP", pool->range_low,
	    pool->range_high);
	if (pool->remote_port)
		sentence_append(out, " from %s to %s", address_of(pool->local_addr).s,
		    end_of(pool->remote_addr, pool->remote_port).s);
	else
		sentence_append(out, " of %s", address_of(pool->local_addr).s);
}

static void append_in_use(const struct forecast *forecast, char *out)
{
	const struct wire_pool *now = &forecast->pool->now;

	sentence_append(out, "%s of %s are in use", amount(now->in_use).s, amount(now->capacity).s);
	if (now->timewait)
		sentence_append(out, ", %s by connections that were closed in the last minute", amount(now->timewait).s);
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
		sentence_append(out, "set IP_BIND_ADDRESS_NO_PORT before a bind() to port 0 that a connect() will follow: "
		    "%s ports are closed to connect() by bind().", amount(churn->now.tcp_bound).s);
		return;
	}
	if (!now->remote_port) {
		sentence_append(out, "close sockets, widen net.ipv4.ip_local_port_range, or bind to more local addresses%s.",
		    now->protocol == IPPROTO_TCP ?
			    "; before a connect() set IP_BIND_ADDRESS_NO_PORT, and the port is shared" : "");
		return;
	}
	sentence_append(out, "keep connections open and reuse them");
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
	sentence_append(warning->why, " run out in ");
	append_seconds(forecast->full_in_ns, warning->why);
	sentence_append(warning->why, " at %s/s", amount(whole(forecast->rate)).s);
	if (forecast->sustainable > 0)
		sentence_append(warning->why, " (%s/s can be sustained)", amount((uint64_t)forecast->sustainable).s);
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
	sentence_append(warning->why, " have run out: ");
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
	struct warned *warned = warned_of(warner, &forecast->pool->now);
	bool is_out, will_be;

	warned->boot_ns = forecast->pool->now.hdr.boot_ns;
	is_out = is_used(forecast, churn) && is_exhausted(forecast, churn);
	will_be = is_used(forecast, churn) && will_be_exhausted(forecast);
	warned->well = is_out || will_be ? 0 : warned->well + 1;
	if (warned->well >= RECOVERED)
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

static const char *who(const struct wire_task *task, struct phrase *name)
{
	if (!task->pid)
		return "A process";
	*name = task_name(task);
	return name->s;
}

static void bind_before_connect(const struct wire_misuse *misuse, struct warning *warning)
{
	struct phrase name;

	warning->kind = "bind-before-connect";
	sentence_append(warning->why, "%s binds to port 0 of %s and then connects to %s: the port is closed to every other "
	    "connect() of the namespace, whatever its destination.", who(&misuse->task, &name),
	    address_of(misuse->sock.local_addr).s,
	    end_of(misuse->sock.remote_addr, misuse->sock.remote_port).s);
	sentence_append(warning->fix, "set IP_BIND_ADDRESS_NO_PORT before the bind(): connect() then chooses a port that "
	    "other destinations can share.");
}

static void service_port(const struct wire_misuse *misuse, const struct netns_entry *netns,
			 struct warning *warning)
{
	struct phrase name;

	warning->kind = "service-port-in-range";
	sentence_append(warning->why, "%s listens on %s", who(&misuse->task, &name),
	    end_of(misuse->sock.local_addr, misuse->sock.local_port).s);
	if (netns && netns->now.range_low)
		sentence_append(warning->why, ", inside the ephemeral range %u to %u", netns->now.range_low,
		    netns->now.range_high);
	else
		sentence_append(warning->why, ", inside the ephemeral range");
	sentence_append(warning->why, ": while it does not run, any connect() may be given the port, and it cannot start.");
	sentence_append(warning->fix, "add %u to net.ipv4.ip_local_reserved_ports, or listen on a port outside the range.",
	    misuse->sock.local_port);
}

static void self_connect(const struct wire_misuse *misuse, struct warning *warning)
{
	struct phrase name;

	warning->kind = "self-connect";
	sentence_append(warning->why, "%s connected to itself: nobody listens on %s, and the kernel chose that port for the "
	    "connection's own end.", who(&misuse->task, &name),
	    end_of(misuse->sock.remote_addr, misuse->sock.remote_port).s);
	sentence_append(warning->fix, "add %u to net.ipv4.ip_local_reserved_ports, or have the client compare both ends and "
	    "close: while this connection stands, the service cannot bind its port.",
	    misuse->sock.remote_port);
}

static void overflow(const struct wire_misuse *misuse, struct warning *warning)
{
	struct phrase name;

	warning->kind = "timewait-overflow";
	sentence_append(warning->why, "%s closed connections that found no place for a TIME_WAIT",
	    who(&misuse->task, &name));
	if (misuse->limit)
		sentence_append(warning->why, " (net.ipv4.tcp_max_tw_buckets is %s)", amount(misuse->limit).s);
	sentence_append(warning->why, ": their ports are free at once, unprotected against late segments, and a low count "
	    "of TIME_WAITs means a full table here.");
	sentence_append(warning->fix, "raise net.ipv4.tcp_max_tw_buckets, or keep connections open and reuse them.");
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
