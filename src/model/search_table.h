/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long searches for a port took, towards the destinations where one was long: the wire carries totals,
 * this table keeps what they were when an interval began. Bounded: at 1,024 the one longest unreported makes
 * room.
 */
#ifndef PORTTRACE_MODEL_SEARCH_TABLE_H
#define PORTTRACE_MODEL_SEARCH_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/* How long the searches of an interval took; max_ns since porttrace began. */
struct churn_search_diff {
	uint64_t count; /* 0: none, or not measured */
	uint64_t total_ns, max_ns;
	uint64_t buckets[WIRE_SEARCH_BUCKETS];
};

/* Of connect() of TCP, all processes together. */
struct churn_search_to {
	uint8_t remote_addr[16];
	uint16_t remote_port;
	struct churn_search_diff search;
};

struct search_table;

struct search_table *search_table_new(void);
void search_table_free(struct search_table *table);

/* `interval` is that of the namespace: a new number begins a new one. 0 or -ENOMEM. */
int search_table_add(struct search_table *table, const struct wire_search *event, uint64_t interval);
/* The destinations of an interval, most time spent first; at most `max` into `out`, returns how many. */
size_t search_table_list(const struct search_table *table, uint32_t netns, uint64_t interval,
			 struct churn_search_to *out, size_t max);

/* `now` less `before`, totals both. */
void search_diff(const struct wire_search *now, const struct wire_search *before, struct churn_search_diff *out);

#endif
