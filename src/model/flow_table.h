/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What each process took towards each destination: the wire carries totals, this table keeps what they were
 * when an interval began. Bounded: at 4,096 the one longest unreported makes room.
 */
#ifndef PORTTRACE_MODEL_FLOW_TABLE_H
#define PORTTRACE_MODEL_FLOW_TABLE_H

#include <stdint.h>

#include "porttrace/wire.h"

/* What one process did towards one destination in an interval. */
struct churn_top {
	struct wire_task task;
	uint8_t remote_addr[16]; /* with remote_port 0: nobody's, of binds and accepted connections */
	uint8_t local_addr[16];	 /* zero: not known */
	uint16_t remote_port;
	uint16_t protocol; /* 0: not known */
	uint64_t allocated;
	uint64_t timewait;
	uint64_t failed;
	uint64_t allocated_total; /* since porttrace began */
};

/* All processes together, from one address towards one destination. */
struct churn_towards {
	uint64_t allocated, failed;
	struct churn_top most; /* who took most since porttrace began; pid 0: nobody known */
};

struct flow_table;

struct flow_table *flow_table_new(void);
void flow_table_free(struct flow_table *table);

/* `interval` is that of the namespace: a new number begins a new one. *diff: the interval so far. 0 or -ENOMEM. */
int flow_table_add(struct flow_table *table, const struct wire_traffic *event, uint64_t interval,
		   struct churn_top *diff);
/* What went towards the destination of `pool` in that interval; remote_port 0: from its address, by bind(). */
void flow_table_towards(const struct flow_table *table, const struct wire_pool *pool, uint64_t interval,
			struct churn_towards *towards);

#endif
