/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How full the ports are from one address towards one destination, and how that changes. Bounded: the one
 * longest unseen makes room, and one unseen for a minute goes.
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
	int64_t taken;	/* since the first sample: ports taken and not given back but by a TIME_WAIT's time */
	int64_t others; /* in use, not by a TIME_WAIT */
};

struct pool_entry {
	struct wire_pool now;
	/* The last ones, the newest at sample_count - 1. */
	struct pool_sample samples[POOL_SAMPLES];
	size_t sample_count;
	/* Per second, over some seconds: how fast the pool fills but for the TIME_WAITs that end by time, and
	 * how fast what is in use otherwise grows. May be negative. Known from the second sample on. */
	double inflow, growth;
	bool is_rate_known;
};

struct pool_table;

struct pool_table *pool_table_new(void);
void pool_table_free(struct pool_table *table);
/* 0 or -ENOMEM. */
int pool_table_add(struct pool_table *table, const struct wire_pool *event);
/* Those of a namespace that were counted after since_boot_ns, most in use first; returns how many.
 * Borrowed until the next add. */
size_t pool_table_list(const struct pool_table *table, uint32_t netns, uint64_t since_boot_ns,
		       const struct pool_entry **out, size_t max);

#endif
