/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/flow_table.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/hash.h"

#define FLOWS_MAX 4096

struct flow_key {
	uint8_t remote_addr[16];
	uint8_t local_addr[16];
	uint64_t start_boot_ns;
	uint32_t netns;
	uint32_t pid;
	uint32_t remote_port; /* 32 bits, to avoid padding */
	uint32_t protocol;
};

struct flow {
	struct flow_key key;
	uint64_t interval;		 /* of its namespace, at its last report; 0: none */
	struct wire_traffic now, before; /* totals: the last ones, and those at the begin of that interval */
	UT_hash_handle hh;		 /* in the order of their last reports, oldest first */
};

struct flow_table {
	struct flow *flows;
};

struct flow_table *flow_table_new(void)
{
	return calloc(1, sizeof(struct flow_table));
}

void flow_table_free(struct flow_table *table)
{
	struct flow *flow, *next;

	if (!table)
		return;
	HASH_FREE_ALL(table->flows, flow, next);
	free(table);
}

/* Finds a flow or adds it, with totals of 0. NULL: no memory. */
static struct flow *flow_get(struct flow_table *table, const struct wire_traffic *event)
{
	struct flow_key key = {
		.start_boot_ns = event->task.start_boot_ns,
		.netns = event->netns,
		.pid = event->task.pid,
		.remote_port = event->remote_port,
		.protocol = event->protocol,
	};
	struct flow *flow;

	memcpy(key.remote_addr, event->remote_addr, sizeof(key.remote_addr));
	memcpy(key.local_addr, event->local_addr, sizeof(key.local_addr));
	HASH_GET_NEWEST(table->flows, key, FLOWS_MAX, flow);
	return flow;
}

static void diff_make(const struct flow *flow, struct churn_top *diff)
{
	const struct wire_traffic *now = &flow->now, *before = &flow->before;

	*diff = (struct churn_top){
		.task = now->task,
		.remote_port = now->remote_port,
		.protocol = now->protocol,
		.allocated = now->allocated - before->allocated,
		.timewait = now->timewait - before->timewait,
		.failed = now->failed - before->failed,
		.allocated_total = now->allocated,
	};
	memcpy(diff->remote_addr, now->remote_addr, sizeof(diff->remote_addr));
	memcpy(diff->local_addr, now->local_addr, sizeof(diff->local_addr));
}

int flow_table_add(struct flow_table *table, const struct wire_traffic *event, uint64_t interval,
		   struct churn_top *diff)
{
	struct flow *flow = flow_get(table, event);

	if (!flow)
		return -ENOMEM;
	/* The kernel's map evicts flows too: one that was evicted counts from 0 again. */
	if (event->allocated < flow->now.allocated || event->timewait < flow->now.timewait ||
	    event->failed < flow->now.failed) {
		memset(&flow->now, 0, sizeof(flow->now));
		memset(&flow->before, 0, sizeof(flow->before));
	}
	if (flow->interval != interval) {
		flow->interval = interval;
		flow->before = flow->now;
	}
	flow->now = *event;
	diff_make(flow, diff);
	return 0;
}

static bool is_any(const uint8_t addr[16])
{
	static const uint8_t any[16], any_ipv4[16] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(addr, any, sizeof(any)) || !memcmp(addr, any_ipv4, sizeof(any_ipv4));
}

/* A refused connect() has no local address; a bind to a wildcard takes the port on every address. */
static bool belongs_to_pool(const struct flow *flow, const struct wire_pool *pool)
{
	bool is_bind = !pool->remote_port;

	if (flow->key.netns != pool->netns)
		return false;
	if (flow->key.protocol != pool->protocol &&
	    !(pool->protocol == IPPROTO_TCP && flow->key.protocol == IPPROTO_MPTCP))
		return false;
	if (is_bind)
		return (pool->protocol == IPPROTO_UDP || !flow->key.remote_port) &&
		       (is_any(pool->local_addr) ||
			!memcmp(flow->key.local_addr, pool->local_addr, sizeof(pool->local_addr)));
	return flow->key.remote_port == pool->remote_port &&
	       !memcmp(flow->key.remote_addr, pool->remote_addr, sizeof(pool->remote_addr)) &&
	       (is_any(flow->key.local_addr) ||
		!memcmp(flow->key.local_addr, pool->local_addr, sizeof(pool->local_addr)));
}

void flow_table_towards(const struct flow_table *table, const struct wire_pool *pool, uint64_t interval,
			struct churn_towards *towards)
{
	memset(towards, 0, sizeof(*towards));
	for (const struct flow *flow = table->flows; flow; flow = flow->hh.next) {
		if (!belongs_to_pool(flow, pool))
			continue;
		if (flow->now.allocated > towards->most.allocated_total)
			diff_make(flow, &towards->most);
		if (flow->interval != interval)
			continue;
		towards->allocated += flow->now.allocated - flow->before.allocated;
		towards->failed += flow->now.failed - flow->before.failed;
		towards->timewait += flow->now.timewait - flow->before.timewait;
	}
}

size_t flows_by_process(const struct churn_top *flows, size_t count, struct churn_top *out, size_t max)
{
	size_t found = 0, at;

	for (size_t i = 0; i < count; i++) {
		const struct churn_top *flow = &flows[i];

		for (at = 0; at < found && (out[at].task.pid != flow->task.pid ||
					    out[at].task.start_boot_ns != flow->task.start_boot_ns); at++)
			;
		if (at == max)
			continue;
		if (at == found) {
			out[found] = *flow;
			out[found++].flow_count = 1;
			continue;
		}
		out[at].allocated += flow->allocated;
		out[at].timewait += flow->timewait;
		out[at].failed += flow->failed;
		out[at].flow_count++;
	}
	return found;
}
