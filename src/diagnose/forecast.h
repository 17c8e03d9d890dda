/* SPDX-License-Identifier: GPL-2.0-only */
/* How full a pool of ports is, what rate it can take, and when it runs out. Pure. */
#ifndef PORTTRACE_DIAGNOSE_FORECAST_H
#define PORTTRACE_DIAGNOSE_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

#define FORECAST_POOLS_MAX 24

/* One pool at the end of an interval; borrows from the model. */
struct forecast {
	const struct pool_entry *pool;
	struct churn_towards towards; /* in this interval */
	double rate;		      /* ports taken from it, per second of this interval */
	/* Per second, for ever: all of the pool in the time that a port is not to be had after its
	 * connection was closed on this side; 0: without a bound. */
	double sustainable;
	bool reuses;		      /* connect() may take over its TIME_WAITs (tcp_tw_reuse) */
	bool is_known;		      /* there were two counts to tell a rate from */
	bool will_fill;		      /* at this rate */
	uint64_t full_in_ns;	      /* with will_fill; 0: it is full */
};

/* Whether connect() may take over a TIME_WAIT of this pool (tcp_twsk_unique()). */
bool forecast_reuses(const struct wire_pool *pool, const struct wire_netns *netns);

/* What is to be said of a pool; `churn` is of its namespace. */
void forecast_make(const struct pool_entry *pool, const struct churn *churn, const struct netns_table *namespaces,
		   struct forecast *forecast);

/* The pools that were counted in this interval: those that run out first, then the fullest. */
size_t forecast_list(const struct churn *churn, struct model *model, struct forecast out[FORECAST_POOLS_MAX]);

#endif
