/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/netns_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/hash.h"

#define NAMESPACES_MAX 4096
#define INACTIVE_INTERVALS 10
#define INACTIVE_NS	   60000000000ULL

struct node {
	struct netns_entry entry;
	struct wire_netns reported; /* the totals at the end of the last interval */
	bool has_reported;
	bool owes_port_usage;	    /* the last interval was reported without a count of the ports */
	uint64_t expired_reported;  /* sum of the intervals so far, see expired() */
	struct wire_netns first;    /* the totals at the begin of its first interval */
	struct wire_search searches[2], searches_reported[2]; /* index: wire_search.connects */
	uint64_t interval;	    /* its number, in flow_table and search_table too */
	UT_hash_handle hh;	    /* in the order of their last reports, oldest first */
};

struct netns_table {
	struct node *nodes;
	struct flow_table *flows;
	struct search_table *searches;
	/* One sequence for all namespaces, so that a namespace that was dropped and returns gets a new
	 * number. */
	uint64_t last_interval;
	bool keeps_timewait;
};

struct netns_table *netns_table_new(void)
{
	struct netns_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->flows = flow_table_new();
	table->searches = search_table_new();
	if (table->flows && table->searches)
		return table;
	netns_table_free(table);
	return NULL;
}

static void node_drop(struct netns_table *table, struct node *node)
{
	HASH_DEL(table->nodes, node);
	free(node);
}

void netns_table_free(struct netns_table *table)
{
	struct node *node, *next_node;

	if (!table)
		return;
	HASH_ITER(hh, table->nodes, node, next_node)
		node_drop(table, node);
	flow_table_free(table->flows);
	search_table_free(table->searches);
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

/* The kernel reuses inode numbers. Totals only grow, so a smaller total belongs to a new namespace. */
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

/*
 * The end of a namespace is not reported. Drop a namespace without a report for 10 intervals of the one just
 * reported, and for at least 60 s, so that one that is read more often does not drop the others.
 */
static void drop_inactive(struct netns_table *table, const struct netns_entry *entry)
{
	uint64_t now = entry->now.hdr.boot_ns, interval = now - entry->before.hdr.boot_ns;
	uint64_t age_max = interval < UINT64_MAX / INACTIVE_INTERVALS ? interval * INACTIVE_INTERVALS : UINT64_MAX;

	if (age_max < INACTIVE_NS)
		age_max = INACTIVE_NS;
	while (table->nodes && table->nodes->entry.now.hdr.boot_ns < now &&
	       now - table->nodes->entry.now.hdr.boot_ns > age_max)
		node_drop(table, table->nodes);
}

bool netns_table_keeps_timewait(const struct netns_table *table)
{
	return table->keeps_timewait;
}

int netns_table_add(struct netns_table *table, const struct wire_netns *event)
{
	struct node *node = node_find(table, event->netns);

	table->keeps_timewait |= event->has & WIRE_NETNS_KEEPS_TIMEWAIT;
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
		drop_inactive(table, &node->entry);
	return 0;
}

static bool is_before(const struct churn_top *a, const struct churn_top *b)
{
	if (a->allocated != b->allocated)
		return a->allocated > b->allocated;
	return a->timewait > b->timewait;
}

static bool is_same_flow(const struct churn_top *a, const struct churn_top *b)
{
	return a->task.pid == b->task.pid && a->task.start_boot_ns == b->task.start_boot_ns &&
	       a->remote_port == b->remote_port && a->protocol == b->protocol &&
	       !memcmp(a->local_addr, b->local_addr, sizeof(a->local_addr)) &&
	       !memcmp(a->remote_addr, b->remote_addr, sizeof(a->remote_addr));
}

/* The differences of a flow only grow during an interval, so a flow that was removed from the list can return
 * with its full count. */
static void top_insert(struct netns_entry *entry, const struct churn_top *top)
{
	struct churn_top *list = entry->traffic;
	size_t i;

	for (i = 0; i < entry->traffic_count && !is_same_flow(&list[i], top); i++)
		;
	if (i == entry->traffic_count) {
		if (i < CHURN_TOP_KEPT)
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
	struct churn_top top;
	int err = flow_table_add(table->flows, event, node ? node->interval : 0, &top);

	if (!err && node && (top.allocated || top.timewait || top.failed))
		top_insert(&node->entry, &top);
	return err;
}

int netns_table_add_search(struct netns_table *table, const struct wire_search *event)
{
	struct node *node = node_find(table, event->netns);

	if (event->remote_port)
		return search_table_add(table->searches, event, node ? node->interval : 0);
	if (node)
		node->searches[event->connects] = *event;
	return 0;
}

void netns_table_towards(const struct netns_table *table, const struct wire_pool *pool, uint64_t interval,
			 struct churn_towards *towards)
{
	flow_table_towards(table->flows, pool, interval, towards);
}

/*
 * TIME_WAITs that expired since the last report of this namespace. Hooks count them (WIRE_NETNS_HOOKED).
 * Without hooks, those that began and are not live any more were reused by a connect(), killed (TWKilled: the
 * timer was set to 4 s or less at the begin), or expired; the last include those that a SYN or a reset ended.
 * The kernel's counters change while they are read one by one, so the result of one interval may be negative:
 * compute it from the sums of all intervals, and report the rest in a later one.
 */
static uint64_t expired(struct node *node)
{
	const struct wire_netns *now = &node->entry.now, *first = &node->first;
	uint64_t reported = node->expired_reported, sum; /* modulo 2^64, as the totals of a crafted capture may be */

	if (now->has & WIRE_NETNS_HOOKED)
		sum = now->timewait_expired - first->timewait_expired;
	else
		sum = (now->timewait_entered - first->timewait_entered) -
		      (now->timewait_reused - first->timewait_reused) -
		      (now->timewait_killed - first->timewait_killed) -
		      (now->timewait_live - first->timewait_live);
	if ((int64_t)(sum - reported) <= 0)
		return 0;
	node->expired_reported = sum;
	return sum - reported;
}

static void churn_make(const struct netns_table *table, struct node *node, struct churn *churn)
{
	const struct wire_netns *now = &node->entry.now, *before = &node->reported;

	*churn = (struct churn){
		.netns = now->netns,
		.interval = node->interval,
		.began_boot_ns = before->hdr.boot_ns,
		.interval_s = (double)(now->hdr.boot_ns - before->hdr.boot_ns) / 1e9,
		.now = *now,
		.timewait_live = now->timewait_live,
		.timewait_entered = now->timewait_entered - before->timewait_entered,
		.timewait_reused = now->timewait_reused - before->timewait_reused,
		.timewait_killed = now->timewait_killed - before->timewait_killed,
		.timewait_overflowed = now->timewait_overflowed - before->timewait_overflowed,
		.ephemeral_allocated = now->ephemeral_allocated - before->ephemeral_allocated,
		.ephemeral_released = now->ephemeral_released - before->ephemeral_released,
		.ephemeral_failed = now->ephemeral_failed - before->ephemeral_failed,
		.by_connect = now->by_connect - before->by_connect,
		.by_bind = now->by_bind - before->by_bind,
		.by_autobind = now->by_autobind - before->by_autobind,
		.failed_connect = now->failed_connect - before->failed_connect,
		.failed_connect_again = now->failed_connect_again - before->failed_connect_again,
		.failed_bind = now->failed_bind - before->failed_bind,
		.failed_listen = now->failed_listen - before->failed_listen,
		.failed_send = now->failed_send - before->failed_send,
		.flows_forgotten = now->flows_forgotten - before->flows_forgotten,
		.ephemeral_in_use = now->tcp_in_use + (uint64_t)now->udp_in_use,
		.in_use_known = now->has & WIRE_NETNS_PORT_USAGE,
		.searches_timed = now->has & WIRE_NETNS_TIMED,
		.range_low = now->range_low,
		.range_high = now->range_high,
		.top_count = node->entry.traffic_count,
		.releases_are_late = !(now->has & WIRE_NETNS_HOOKED) &&
				     (node->owes_port_usage || !(now->has & WIRE_NETNS_PORT_USAGE)),
	};
	churn->timewait_expired = expired(node);
	memcpy(churn->top, node->entry.traffic, sizeof(churn->top));
	for (size_t i = 0; i < 2; i++)
		search_diff(&node->searches[i], &node->searches_reported[i], &churn->searches[i]);
	churn->searches_to_count = search_table_list(table->searches, churn->netns, churn->interval,
						     churn->searches_to, CHURN_SEARCHES);
}

bool netns_table_churn(struct netns_table *table, uint32_t netns, struct churn *churn)
{
	struct node *node = node_find(table, netns);
	uint64_t live_before;
	bool is_first;

	if (!node || (node->has_reported && node->reported.hdr.boot_ns == node->entry.now.hdr.boot_ns))
		return false;
	is_first = !node->has_reported;
	if (is_first)
		node->first = node->entry.now;
	live_before = node->reported.timewait_live;
	churn_make(table, node, churn);

	node->reported = node->entry.now;
	node->has_reported = true;
	memcpy(node->searches_reported, node->searches, sizeof(node->searches));
	node->interval = ++table->last_interval;
	memset(node->entry.traffic, 0, sizeof(node->entry.traffic));
	node->entry.traffic_count = 0;

	if (is_first || !(churn->timewait_entered || churn->timewait_reused || churn->timewait_killed ||
			  churn->timewait_expired || churn->timewait_overflowed || churn->ephemeral_allocated ||
			  churn->ephemeral_released || churn->ephemeral_failed ||
			  churn->timewait_live != live_before || (node->owes_port_usage && churn->in_use_known)))
		return false;
	node->owes_port_usage = !churn->in_use_known;
	return true;
}
