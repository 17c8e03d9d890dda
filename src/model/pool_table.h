/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Port pools, each from one local address to one destination: how many ports are in use, and how the number
 * changes. A pool is dropped 60 s after its last report; with 4,096 pools the one with the oldest report is
 * evicted.
 */
#ifndef PORTTRACE_MODEL_POOL_TABLE_H
#define PORTTRACE_MODEL_POOL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

#define POOL_HISTORY 128

/* How full the pool was at a count of its ports. */
struct pool_fill {
	uint32_t at_ms;	 /* milliseconds since the first count of the pool */
	uint8_t percent; /* of the ports in use, at most 100 */
};

struct pool_entry {
	struct wire_pool now;
	uint64_t first_boot_ns; /* of its first count */
	struct pool_fill history[POOL_HISTORY]; /* a ring; the newest is at (fill_count - 1) % POOL_HISTORY */
	size_t fill_count; /* since the first count */
	/* Ports per second since the last count; may be negative. inflow: ports taken, minus those released other than by
	 * the expiry of a TIME_WAIT; growth: of those in use that are not in TIME_WAIT. Known from the second count on. */
	double inflow, growth;
	bool is_rate_known;
};

struct pool_table;

struct pool_table *pool_table_new(void);
void pool_table_free(struct pool_table *table);
/* 0 or -ENOMEM. */
int pool_table_add(struct pool_table *table, const struct wire_pool *event);
/* A count of the pool's ports: age 0 is the last one. NULL: no more are kept. */
const struct pool_fill *pool_fill_get(const struct pool_entry *entry, size_t age);
/* The pools of a namespace (0: of all) that were counted after since_boot_ns, the fullest first; at most `max` into
 * `out`. Returns how many. Borrowed until the next add. */
size_t pool_table_list(const struct pool_table *table, uint32_t netns, uint64_t since_boot_ns,
		       const struct pool_entry **out, size_t max);

#endif
