/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long the kernel's searches for a free port took, per destination where one was long. Events carry total
 * histograms; the table keeps those at the begin of an interval and returns differences. At most 1,024 destinations:
 * the one whose last report is oldest is evicted.
 */
#ifndef PORTTRACE_MODEL_SEARCH_TABLE_H
#define PORTTRACE_MODEL_SEARCH_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/* The searches of an interval. max_ns is the longest since porttrace began. */
struct churn_search_diff {
	uint64_t count; /* 0: none, or not measured */
	uint64_t total_ns, max_ns;
	uint64_t buckets[WIRE_SEARCH_BUCKETS];
};

/* The searches of TCP connect() to one destination, by all processes. */
struct churn_search_to {
	uint8_t remote_addr[16];
	uint16_t remote_port;
	struct churn_search_diff search;
};

struct search_table;

struct search_table *search_table_new(void);
void search_table_free(struct search_table *table);

/* `interval`: the number of the namespace's interval; a new number starts a new one. 0 or -ENOMEM. */
int search_table_add(struct search_table *table, const struct wire_search *event, uint64_t interval);
/* The destinations of an interval, most time spent first; at most `max` into `out`, returns how many. */
size_t search_table_list(const struct search_table *table, uint32_t netns, uint64_t interval,
			 struct churn_search_to *out, size_t max);

/* *out = `now` - `before`, both totals. */
void search_diff(const struct wire_search *now, const struct wire_search *before, struct churn_search_diff *out);

#endif
