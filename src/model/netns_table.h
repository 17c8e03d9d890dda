/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network namespaces: settings, and the counters of the last interval. A namespace that falls
 * silent is dropped, and at 4,096 the one silent for longest makes room.
 */
#ifndef PORTTRACE_MODEL_NETNS_TABLE_H
#define PORTTRACE_MODEL_NETNS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

#define CHURN_TOP_COUNT 5

/* What changed between two reports of a namespace. */
struct churn_top {
	struct wire_task task;
	uint8_t remote_addr[16];
	uint16_t remote_port;
	uint64_t allocated;
	uint64_t timewait;
};

struct churn {
	uint32_t netns;
	double interval_s;
	uint64_t timewait_live, timewait_entered, timewait_expired, timewait_reused,
		timewait_killed, timewait_overflowed;
	uint64_t ephemeral_allocated, ephemeral_released, ephemeral_failed;
	uint64_t ephemeral_in_use;	/* ports of the range that the table knows to be taken */
	bool in_use_known;		/* false where a filter keeps the table incomplete */
	uint16_t range_low, range_high;
	struct churn_top top[CHURN_TOP_COUNT]; /* most allocated first */
	size_t top_count;
};

struct netns_entry {
	struct wire_netns now, before;	/* the last two reports */
	bool has_before;
	struct churn_top traffic[CHURN_TOP_COUNT]; /* of this interval */
	size_t traffic_count;
};

struct netns_table;

struct netns_table *netns_table_new(void);
void netns_table_free(struct netns_table *table);
const struct netns_entry *netns_table_find(const struct netns_table *table, uint32_t netns);
int netns_table_add(struct netns_table *table, const struct wire_netns *event);
/* A wire_traffic carries totals; the table keeps what was there before to tell the difference. */
int netns_table_add_traffic(struct netns_table *table, const struct wire_traffic *event);
void netns_table_drop(struct netns_table *table, uint32_t netns);
size_t netns_table_count(const struct netns_table *table);
/* true and *churn filled when something changed since the last call for this namespace. */
bool netns_table_churn(struct netns_table *table, uint32_t netns, struct churn *churn);

#endif
