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

#define POOL_SAMPLES 8

struct pool_sample {
	uint64_t boot_ns;
	int64_t taken;	/* ports taken since the first sample, minus those released other than by expiry of a
			 * TIME_WAIT */
	int64_t others; /* in use, but not in TIME_WAIT */
};

struct pool_entry {
	struct wire_pool now;
	/* The last samples, the newest at sample_count - 1. */
	struct pool_sample samples[POOL_SAMPLES];
	size_t sample_count;
	/* Ports per second, averaged over up to 5 s; may be negative. inflow: growth of `taken`; growth: of
	 * `others`. Known from the second sample on. */
	double inflow, growth;
	bool is_rate_known;
};

struct pool_table;

struct pool_table *pool_table_new(void);
void pool_table_free(struct pool_table *table);
/* 0 or -ENOMEM. */
int pool_table_add(struct pool_table *table, const struct wire_pool *event);
/* The pools of a namespace that were counted after since_boot_ns, those with most ports in use first; at most `max`
 * into `out`. Returns how many. Borrowed until the next add. */
size_t pool_table_list(const struct pool_table *table, uint32_t netns, uint64_t since_boot_ns,
		       const struct pool_entry **out, size_t max);

#endif
