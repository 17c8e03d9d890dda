/* SPDX-License-Identifier: GPL-2.0-only */
/* Network namespaces: the wire carries totals, this table makes the differences people read. */
#include "model/netns_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/hash.h"

#define NAMESPACES_MAX 4096
#define FLOWS_MAX      4096
#define SILENT_ROUNDS  10
#define SILENT_NS      60000000000ULL

struct flow_key {
	uint8_t remote_addr[16];
	uint32_t netns;
	uint32_t pid;
	uint64_t remote_port; /* this wide to leave no padding */
};

/* One process towards one destination: its totals now, and when this interval began. */
struct flow {
	struct flow_key key;
	uint64_t interval; /* of the namespace when it was last reported; 0: it had none */
	uint64_t allocated, allocated_before;
	uint64_t timewait, timewait_before;
	UT_hash_handle hh; /* the longest unreported first */
};

struct node {
	struct netns_entry entry;
	struct wire_netns told; /* the report that the last churn went up to */
	bool has_told;
	uint64_t interval;
	UT_hash_handle hh; /* the longest unreported first */
};

struct netns_table {
	struct node *nodes;
	struct flow *flows;
	/* Counts up over all, so that a namespace that comes back begins one of its own. */
	uint64_t last_interval;
};

struct netns_table *netns_table_new(void)
{
	return calloc(1, sizeof(struct netns_table));
}

static void node_drop(struct netns_table *table, struct node *node)
{
	HASH_DEL(table->nodes, node);
	free(node);
}

void netns_table_free(struct netns_table *table)
{
	struct node *node, *next_node;
	struct flow *flow, *next_flow;

	if (!table)
		return;
	HASH_ITER(hh, table->nodes, node, next_node)
		node_drop(table, node);
	HASH_ITER(hh, table->flows, flow, next_flow) {
		HASH_DEL(table->flows, flow);
		free(flow);
	}
	free(table);
}

static struct node *node_find(const struct netns_table *table, uint32_t netns)
{
	struct node *node;

	HASH_FIND(hh, table->nodes, &netns, sizeof(netns), node);
	return node;
}

const struct netns_entry *netns_table_find(const struct netns_table *table, uint32_t netns)
{
	const struct node *node = node_find(table, netns);

	return node ? &node->entry : NULL;
}

size_t netns_table_count(const struct netns_table *table)
{
	return HASH_COUNT(table->nodes);
}

void netns_table_drop(struct netns_table *table, uint32_t netns)
{
	struct node *node = node_find(table, netns);

	if (node)
		node_drop(table, node);
}

/* Inode numbers are used again: a total that shrank belongs to another namespace. */
static bool is_continued(const struct wire_netns *now, const struct wire_netns *before)
{
	return now->timewait_entered >= before->timewait_entered &&
	       now->timewait_reused >= before->timewait_reused &&
	       now->timewait_killed >= before->timewait_killed &&
	       now->timewait_overflowed >= before->timewait_overflowed &&
	       now->ephemeral_allocated >= before->ephemeral_allocated &&
	       now->ephemeral_released >= before->ephemeral_released &&
	       now->ephemeral_failed >= before->ephemeral_failed;
}

/* Nobody says when a namespace ends. Ten rounds, as another namespace counts them, and a minute: a
 * caller who asks one of them more often than the others must not lose the others. */
static void drop_silent(struct netns_table *table, const struct netns_entry *entry)
{
	uint64_t now = entry->now.hdr.boot_ns;
	uint64_t silence = (now - entry->before.hdr.boot_ns) * SILENT_ROUNDS;

	if (silence < SILENT_NS)
		silence = SILENT_NS;
	while (table->nodes && table->nodes->entry.now.hdr.boot_ns + silence < now)
		node_drop(table, table->nodes);
}

int netns_table_add(struct netns_table *table, const struct wire_netns *event)
{
	struct node *node = node_find(table, event->netns);

	if (node && event->hdr.boot_ns <= node->entry.now.hdr.boot_ns)
		return 0;
	if (node && !is_continued(event, &node->entry.now)) {
		node_drop(table, node);
		node = NULL;
	}
	if (node) {
		node->entry.before = node->entry.now;
		node->entry.has_before = true;
		HASH_DEL(table->nodes, node);
	} else {
		if (HASH_COUNT(table->nodes) >= NAMESPACES_MAX)
			node_drop(table, table->nodes);
		node = calloc(1, sizeof(*node));
		if (!node)
			return -ENOMEM;
		node->interval = ++table->last_interval;
	}
	node->entry.now = *event;
	HASH_ADD(hh, table->nodes, entry.now.netns, sizeof(event->netns), node);
	if (!node->hh.tbl) {
		free(node);
		return -ENOMEM;
	}
	if (node->entry.has_before)
		drop_silent(table, &node->entry);
	return 0;
}

/* A flow not seen before has all its totals ahead of it. */
static struct flow *flow_add(struct netns_table *table, const struct wire_traffic *event)
{
	struct flow_key key = {
		.netns = event->netns,
		.pid = event->task.pid,
		.remote_port = event->remote_port,
	};
	struct flow *flow;

	memcpy(key.remote_addr, event->remote_addr, sizeof(key.remote_addr));
	HASH_FIND(hh, table->flows, &key, sizeof(key), flow);
	if (!flow && HASH_COUNT(table->flows) >= FLOWS_MAX) {
		flow = table->flows;
		HASH_DEL(table->flows, flow);
		memset(flow, 0, sizeof(*flow));
	} else if (flow) {
		HASH_DEL(table->flows, flow);
	} else {
		flow = calloc(1, sizeof(*flow));
		if (!flow)
			return NULL;
	}
	flow->key = key;
	HASH_ADD(hh, table->flows, key, sizeof(flow->key), flow);
	if (!flow->hh.tbl) {
		free(flow);
		return NULL;
	}
	return flow;
}

static bool is_before(const struct churn_top *a, const struct churn_top *b)
{
	if (a->allocated != b->allocated)
		return a->allocated > b->allocated;
	return a->timewait > b->timewait;
}

static bool is_same_flow(const struct churn_top *a, const struct churn_top *b)
{
	return a->task.pid == b->task.pid && a->remote_port == b->remote_port &&
	       !memcmp(a->remote_addr, b->remote_addr, sizeof(a->remote_addr));
}

/* Differences only grow during an interval, so one that fell off the end may come back whole. */
static void top_insert(struct netns_entry *entry, const struct churn_top *top)
{
	struct churn_top *list = entry->traffic;
	size_t i;

	for (i = 0; i < entry->traffic_count && !is_same_flow(&list[i], top); i++)
		;
	if (i == entry->traffic_count) {
		if (i < CHURN_TOP_COUNT)
			entry->traffic_count++;
		else if (is_before(top, &list[i - 1]))
			i--;
		else
			return;
	}
	for (; i && is_before(top, &list[i - 1]); i--)
		list[i] = list[i - 1];
	list[i] = *top;
}

int netns_table_add_traffic(struct netns_table *table, const struct wire_traffic *event)
{
	struct node *node = node_find(table, event->netns);
	struct flow *flow = flow_add(table, event);
	struct churn_top top = {.task = event->task, .remote_port = event->remote_port};
	uint64_t interval = node ? node->interval : 0;

	if (!flow)
		return -ENOMEM;
	/* The kernel's map makes room too: a flow that it forgot counts from zero again. */
	if (event->allocated < flow->allocated || event->timewait < flow->timewait) {
		flow->allocated = flow->allocated_before = 0;
		flow->timewait = flow->timewait_before = 0;
	}
	if (flow->interval != interval) {
		flow->interval = interval;
		flow->allocated_before = flow->allocated;
		flow->timewait_before = flow->timewait;
	}
	flow->allocated = event->allocated;
	flow->timewait = event->timewait;

	memcpy(top.remote_addr, event->remote_addr, sizeof(top.remote_addr));
	top.allocated = flow->allocated - flow->allocated_before;
	top.timewait = flow->timewait - flow->timewait_before;
	if (node && (top.allocated || top.timewait))
		top_insert(&node->entry, &top);
	return 0;
}

/*
 * The kernel counts entries (since 27dd35e02235, 5.18) and not ends. What was entered and is not
 * live any more has ended: reused by a connect(), killed, or expired, which is the rest. TWKilled
 * are those that were given four seconds or less at their beginning; they are in `entered` too and
 * here taken for ended. The rest includes those that a SYN or a reset ended, of which there is no
 * count. The counters are read one by one while they move, so the rest may be below zero: then none.
 */
static uint64_t expired(const struct churn *churn, uint64_t live_before)
{
	int64_t rest = (int64_t)(churn->timewait_entered - churn->timewait_reused -
				 churn->timewait_killed - churn->timewait_live + live_before);

	return rest > 0 ? rest : 0;
}

bool netns_table_churn(struct netns_table *table, uint32_t netns, struct churn *churn)
{
	struct node *node = node_find(table, netns);
	struct wire_netns now, before;
	bool is_first;

	if (!node || (node->has_told && node->told.hdr.boot_ns == node->entry.now.hdr.boot_ns))
		return false;
	now = node->entry.now;
	before = node->told;
	is_first = !node->has_told;
	*churn = (struct churn){
		.netns = netns,
		.interval_s = (double)(now.hdr.boot_ns - before.hdr.boot_ns) / 1e9,
		.timewait_live = now.timewait_live,
		.timewait_entered = now.timewait_entered - before.timewait_entered,
		.timewait_reused = now.timewait_reused - before.timewait_reused,
		.timewait_killed = now.timewait_killed - before.timewait_killed,
		.timewait_overflowed = now.timewait_overflowed - before.timewait_overflowed,
		.ephemeral_allocated = now.ephemeral_allocated - before.ephemeral_allocated,
		.ephemeral_released = now.ephemeral_released - before.ephemeral_released,
		.ephemeral_failed = now.ephemeral_failed - before.ephemeral_failed,
		.range_low = now.range_low,
		.range_high = now.range_high,
		.top_count = node->entry.traffic_count,
	};
	churn->timewait_expired = expired(churn, before.timewait_live);
	memcpy(churn->top, node->entry.traffic, sizeof(churn->top));

	node->told = now;
	node->has_told = true;
	node->interval = ++table->last_interval;
	memset(node->entry.traffic, 0, sizeof(node->entry.traffic));
	node->entry.traffic_count = 0;

	return !is_first &&
	       (churn->timewait_entered || churn->timewait_reused || churn->timewait_killed ||
		churn->timewait_overflowed || churn->ephemeral_allocated ||
		churn->ephemeral_released || churn->ephemeral_failed ||
		now.timewait_live != before.timewait_live);
}
