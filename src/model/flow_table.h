/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ports taken per flow: one process, one local address, one destination. Events carry totals; the table keeps the
 * totals at the begin of an interval and returns differences. At most 4,096 flows: the one whose last report is
 * oldest is evicted.
 */
#ifndef PORTTRACE_MODEL_FLOW_TABLE_H
#define PORTTRACE_MODEL_FLOW_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/* The ports that one process used for one destination in an interval. */
struct churn_top {
	struct wire_task task;
	uint8_t remote_addr[16]; /* remote_port 0: of binds and accepted connections, which have no destination */
	uint8_t local_addr[16];	 /* zero: not known */
	uint16_t remote_port;
	uint16_t protocol; /* 0: not known */
	uint64_t allocated;
	uint64_t timewait;
	uint64_t failed;
	uint64_t allocated_total; /* since porttrace began */
	uint32_t flow_count;	  /* of flows_by_process(): how many flows it adds up; else 0 */
};

/* All processes together, from one address to one destination. */
struct churn_towards {
	uint64_t allocated, failed;
	uint64_t timewait; /* connections that entered TIME_WAIT */
	struct churn_top most; /* the process that took most ports since porttrace began; pid 0: not known */
};

struct flow_table;

struct flow_table *flow_table_new(void);
void flow_table_free(struct flow_table *table);

/*
 * `interval`: the number of the namespace's interval; a new number starts a new interval of the flow. *diff: the
 * difference since the interval began. 0 or -ENOMEM.
 */
int flow_table_add(struct flow_table *table, const struct wire_traffic *event, uint64_t interval,
		   struct churn_top *diff);
/* Adds up the flows of each process; the addresses are those of its first flow. At most `max` into `out`, in the order
 * of `flows`; returns how many. */
size_t flows_by_process(const struct churn_top *flows, size_t count, struct churn_top *out, size_t max);
/* Sums the flows to the destination of `pool` in that interval. remote_port 0: the flows that bind() to its
 * address. */
void flow_table_towards(const struct flow_table *table, const struct wire_pool *pool, uint64_t interval,
			struct churn_towards *towards);

#endif
