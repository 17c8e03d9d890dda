/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/pool_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/hash.h"

#define POOLS_MAX 4096
#define INACTIVE_NS 60000000000ULL
#define RATE_NS	    5000000000ULL /* a rate is the mean over this time */

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

static void sample_add(struct pool_entry *entry, const struct wire_pool *event)
{
	struct pool_sample sample = {.boot_ns = event->hdr.boot_ns, .others = event->in_use - (int64_t)event->timewait};

	if (entry->sample_count) {
		const struct pool_sample *last = &entry->samples[entry->sample_count - 1];

		sample.taken = last->taken + (int64_t)event->in_use - entry->now.in_use +
			       (int64_t)(ended_within(&entry->now, event->hdr.boot_ns - last->boot_ns) + 0.5);
	}
	if (entry->sample_count == POOL_SAMPLES)
		memmove(entry->samples, entry->samples + 1, --entry->sample_count * sizeof(*entry->samples));
	entry->samples[entry->sample_count++] = sample;
}

static void rate_find(struct pool_entry *entry)
{
	const struct pool_sample *last = &entry->samples[entry->sample_count - 1], *from = last;
	double seconds;

	for (size_t i = entry->sample_count - 1; i-- > 0;) {
		if (from != last && last->boot_ns - entry->samples[i].boot_ns > RATE_NS)
			break;
		from = &entry->samples[i];
	}
	seconds = (double)(last->boot_ns - from->boot_ns) / 1e9;
	entry->is_rate_known = from != last && seconds > 0;
	if (!entry->is_rate_known)
		return;
	entry->inflow = (double)(last->taken - from->taken) / seconds;
	entry->growth = (double)(last->others - from->others) / seconds;
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
	sample_add(&node->entry, event);
	node->entry.now = *event;
	rate_find(&node->entry);
	HASH_ADD(hh, table->nodes, key, sizeof(node->key), node);
	if (!node->hh.tbl) {
		free(node);
		return -ENOMEM;
	}
	drop_inactive(table, event->hdr.boot_ns);
	return 0;
}

size_t pool_table_list(const struct pool_table *table, uint32_t netns, uint64_t since_boot_ns,
		       const struct pool_entry **out, size_t max)
{
	size_t count = 0;

	for (const struct node *node = table->nodes; node; node = node->hh.next) {
		size_t at;

		if (node->key.netns != netns || node->entry.now.hdr.boot_ns <= since_boot_ns)
			continue;
		for (at = count; at && out[at - 1]->now.in_use < node->entry.now.in_use; at--) {
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
