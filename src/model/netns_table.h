/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network namespaces: settings and counters. Events carry totals; the table returns what changed in an interval. A
 * namespace without reports is dropped after a while; at 4,096 namespaces the one whose last report is oldest is
 * evicted.
 */
#ifndef PORTTRACE_MODEL_NETNS_TABLE_H
#define PORTTRACE_MODEL_NETNS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/flow_table.h"
#include "model/search_table.h"
#include "porttrace/settings.h"
#include "porttrace/wire.h"

#define CHURN_TOP_COUNT 5  /* shown at most */
#define CHURN_TOP_KEPT	64 /* kept, because filters remove some */
#define CHURN_SEARCHES	16 /* kept, likewise */

/* What changed in an interval of a namespace. */
struct churn {
	uint32_t netns;
	uint64_t interval;	/* for netns_table_towards() */
	uint64_t began_boot_ns;
	double interval_s;
	struct wire_netns now;	/* totals, and settings */
	uint64_t timewait_live, timewait_entered, timewait_expired, timewait_reused,
		timewait_killed, timewait_overflowed;
	uint64_t ephemeral_allocated, ephemeral_released, ephemeral_failed;
	uint64_t by_connect, by_bind, by_autobind;
	uint64_t failed_connect, failed_connect_again, failed_bind, failed_listen, failed_send;
	uint64_t flows_forgotten;
	uint64_t ephemeral_in_use;	/* ports of the range with a socket, TCP plus UDP */
	bool in_use_known;		/* ports were counted at the end of this interval */
	uint16_t range_low, range_high;
	struct churn_top top[CHURN_TOP_KEPT]; /* most allocated first */
	size_t top_count;
	struct churn_top processes[CHURN_TOP_COUNT]; /* the same, one for each process */
	size_t process_count;
	bool releases_are_late;		/* ephemeral_released has the ends of another interval, or lacks some of this */
	bool is_limited;	/* the sums are those of what passes the filters, not of the namespace */
	const struct settings *only; /* the filters for pools and processes; NULL: none */
	bool searches_timed;		       /* port searches are measured in this namespace */
	struct churn_search_diff searches[2];  /* [0]: of bind(), listen() and UDP; [1]: of connect() */
	struct churn_search_to searches_to[CHURN_SEARCHES]; /* destinations with long searches; most time first */
	size_t searches_to_count;
};

struct netns_entry {
	struct wire_netns now, before;	/* the last two reports */
	bool has_before;
	struct churn_top traffic[CHURN_TOP_KEPT]; /* of the current interval */
	size_t traffic_count;
};

struct netns_table;

struct netns_table *netns_table_new(void);
void netns_table_free(struct netns_table *table);
const struct netns_entry *netns_table_find(const struct netns_table *table, uint32_t netns);
/* Each applies an event. 0 or -ENOMEM. */
int netns_table_add(struct netns_table *table, const struct wire_netns *event);
int netns_table_add_traffic(struct netns_table *table, const struct wire_traffic *event);
int netns_table_add_search(struct netns_table *table, const struct wire_search *event);
/* Whether one of the namespaces was reported with WIRE_NETNS_KEEPS_TIMEWAIT. */
bool netns_table_keeps_timewait(const struct netns_table *table);
/* Sums the ports used for a destination in an interval that netns_table_churn() returned. */
void netns_table_towards(const struct netns_table *table, const struct wire_pool *pool, uint64_t interval,
			 struct churn_towards *towards);
void netns_table_drop(struct netns_table *table, uint32_t netns);
size_t netns_table_count(const struct netns_table *table);
/* Ends an interval of the namespace. true: something changed, and *churn is filled. The first call for a namespace
 * only begins its first interval, and returns false. */
bool netns_table_churn(struct netns_table *table, uint32_t netns, struct churn *churn);

#endif
