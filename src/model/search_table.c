/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/search_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/hash.h"

#define SEARCHES_MAX 1024

struct search_key {
	uint8_t remote_addr[16];
	uint32_t netns;
	uint32_t remote_port; /* 32 bits, to avoid padding */
};

struct node {
	struct search_key key;
	uint64_t interval;		/* of its namespace, at its last report; 0: none */
	struct wire_search now, before; /* totals: the last ones, and those at the begin of that interval */
	UT_hash_handle hh;		/* in the order of their last reports, oldest first */
};

struct search_table {
	struct node *nodes;
};

struct search_table *search_table_new(void)
{
	return calloc(1, sizeof(struct search_table));
}

void search_table_free(struct search_table *table)
{
	struct node *node, *next;

	if (!table)
		return;
	HASH_FREE_ALL(table->nodes, node, next);
	free(table);
}

void search_diff(const struct wire_search *now, const struct wire_search *before, struct churn_search_diff *out)
{
	static const struct wire_search nothing;

	/* The kernel's map evicts destinations too: one that was evicted counts from 0 again. */
	if (now->total_ns < before->total_ns)
		before = &nothing;
	*out = (struct churn_search_diff){.max_ns = now->max_ns, .total_ns = now->total_ns - before->total_ns};
	for (size_t i = 0; i < WIRE_SEARCH_BUCKETS; i++) {
		out->buckets[i] = now->buckets[i] - before->buckets[i];
		out->count += out->buckets[i];
	}
}

static struct node *node_get(struct search_table *table, const struct wire_search *event)
{
	struct search_key key = {.netns = event->netns, .remote_port = event->remote_port};
	struct node *node;

	memcpy(key.remote_addr, event->remote_addr, sizeof(key.remote_addr));
	HASH_GET_NEWEST(table->nodes, key, SEARCHES_MAX, node);
	return node;
}

int search_table_add(struct search_table *table, const struct wire_search *event, uint64_t interval)
{
	struct node *node = node_get(table, event);

	if (!node)
		return -ENOMEM;
	if (node->interval != interval) {
		node->interval = interval;
		node->before = node->now;
	}
	node->now = *event;
	return 0;
}

size_t search_table_list(const struct search_table *table, uint32_t netns, uint64_t interval,
			 struct churn_search_to *out, size_t max)
{
	size_t count = 0;

	for (const struct node *node = table->nodes; node; node = node->hh.next) {
		struct churn_search_to one = {.remote_port = node->now.remote_port};
		size_t at;

		if (node->key.netns != netns || node->interval != interval)
			continue;
		search_diff(&node->now, &node->before, &one.search);
		if (!one.search.count)
			continue;
		memcpy(one.remote_addr, node->key.remote_addr, sizeof(one.remote_addr));
		for (at = count; at && out[at - 1].search.total_ns < one.search.total_ns; at--) {
			if (at < max)
				out[at] = out[at - 1];
		}
		if (at < max) {
			out[at] = one;
			count += count < max;
		}
	}
	return count;
}
