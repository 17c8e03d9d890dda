/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/pool_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/hash.h"

#define POOLS_MAX 4096
#define INACTIVE_NS 60000000000ULL
#define RATE_MIN_NS 50000000ULL

struct pool_key {
	uint8_t local_addr[16];
	uint8_t remote_addr[16];
	uint32_t netns;
	uint16_t remote_port;
	uint16_t protocol;
};

struct node {
	struct pool_key key;
	struct pool_entry entry;
	UT_hash_handle hh; /* in the order of their last reports, oldest first */
};

struct pool_table {
	struct node *nodes;
};

struct pool_table *pool_table_new(void)
{
	return calloc(1, sizeof(struct pool_table));
}

static void node_drop(struct pool_table *table, struct node *node)
{
	HASH_DEL(table->nodes, node);
	free(node);
}

void pool_table_free(struct pool_table *table)
{
	struct node *node, *next;

	if (!table)
		return;
	HASH_ITER(hh, table->nodes, node, next)
		node_drop(table, node);
	free(table);
}

/* How many of the TIME_WAITs in *pool end within `ns`; interpolated within a step of WIRE_POOL_STEP_MS. */
static double ended_within(const struct wire_pool *pool, uint64_t ns)
{
	double steps = (double)ns / (WIRE_POOL_STEP_MS * 1e6), ended = 0;

	for (size_t i = 0; i < WIRE_POOL_ENDS && steps > 0; i++, steps--)
		ended += pool->ends[i] * (steps < 1 ? steps : 1);
	return ended;
}

/* `entry` still has the last count. */
static void rate_find(struct pool_entry *entry, const struct wire_pool *event)
{
	const struct wire_pool *last = &entry->now;
	uint64_t ns = event->hdr.boot_ns - last->hdr.boot_ns;
	double seconds = (double)ns / 1e9, others = (double)event->in_use - event->timewait;

	/* The last interval of a run may be too short for a rate: keep the one before. */
	if (!entry->fill_count || ns < RATE_MIN_NS)
		return;
	entry->is_rate_known = true;
	entry->inflow = ((double)event->in_use - last->in_use + ended_within(last, ns)) / seconds;
	entry->growth = (others - ((double)last->in_use - last->timewait)) / seconds;
}

static void fill_add(struct pool_entry *entry, const struct wire_pool *event)
{
	uint64_t percent = event->capacity ? event->in_use * 100ULL / event->capacity : 100;

	if (!entry->fill_count)
		entry->first_boot_ns = event->hdr.boot_ns;
	entry->history[entry->fill_count++ % POOL_HISTORY] = (struct pool_fill){
		.at_ms = (uint32_t)((event->hdr.boot_ns - entry->first_boot_ns) / 1000000),
		.percent = percent < 100 ? (uint8_t)percent : 100,
	};
}

const struct pool_fill *pool_fill_get(const struct pool_entry *entry, size_t age)
{
	if (age >= entry->fill_count || age >= POOL_HISTORY)
		return NULL;
	return &entry->history[(entry->fill_count - 1 - age) % POOL_HISTORY];
}

static void drop_inactive(struct pool_table *table, uint64_t now)
{
	while (table->nodes && table->nodes->entry.now.hdr.boot_ns < now &&
	       now - table->nodes->entry.now.hdr.boot_ns > INACTIVE_NS)
		node_drop(table, table->nodes);
}

int pool_table_add(struct pool_table *table, const struct wire_pool *event)
{
	struct pool_key key = {
		.netns = event->netns,
		.remote_port = event->remote_port,
		.protocol = event->protocol,
	};
	struct node *node;

	memcpy(key.local_addr, event->local_addr, sizeof(key.local_addr));
	memcpy(key.remote_addr, event->remote_addr, sizeof(key.remote_addr));
	HASH_FIND(hh, table->nodes, &key, sizeof(key), node);
	if (node && event->hdr.boot_ns <= node->entry.now.hdr.boot_ns)
		return 0;
	if (node) {
		HASH_DEL(table->nodes, node);
	} else {
		if (HASH_COUNT(table->nodes) >= POOLS_MAX)
			node_drop(table, table->nodes);
		node = calloc(1, sizeof(*node));
		if (!node)
			return -ENOMEM;
		node->key = key;
	}
	rate_find(&node->entry, event);
	fill_add(&node->entry, event);
	node->entry.now = *event;
	HASH_ADD(hh, table->nodes, key, sizeof(node->key), node);
	if (!node->hh.tbl) {
		free(node);
		return -ENOMEM;
	}
	drop_inactive(table, event->hdr.boot_ns);
	return 0;
}

static bool is_fuller(const struct wire_pool *a, const struct wire_pool *b)
{
	uint64_t left = a->in_use * (uint64_t)b->capacity, right = b->in_use * (uint64_t)a->capacity;

	if (left != right)
		return left > right;
	/* Of two that the same sockets fill, the one with a destination says more. */
	return a->in_use != b->in_use ? a->in_use > b->in_use : a->remote_port && !b->remote_port;
}

size_t pool_table_list(const struct pool_table *table, uint32_t netns, uint64_t since_boot_ns,
		       const struct pool_entry **out, size_t max)
{
	size_t count = 0;

	for (const struct node *node = table->nodes; node; node = node->hh.next) {
		size_t at;

		if ((netns && node->key.netns != netns) || node->entry.now.hdr.boot_ns <= since_boot_ns)
			continue;
		for (at = count; at && is_fuller(&node->entry.now, &out[at - 1]->now); at--) {
			if (at < max)
				out[at] = out[at - 1];
		}
		if (at < max) {
			out[at] = &node->entry;
			count += count < max;
		}
	}
	return count;
}
