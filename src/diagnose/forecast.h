/* SPDX-License-Identifier: GPL-2.0-only */
/* How full a pool of ports is, which rate it sustains, and when it runs out. Pure. */
#ifndef PORTTRACE_DIAGNOSE_FORECAST_H
#define PORTTRACE_DIAGNOSE_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"

#define FORECAST_POOLS_MAX    24
#define FORECAST_FULL_PERCENT 90 /* in use, and searches failed: it is full */

/* One pool at the end of an interval; borrows from the model. */
struct forecast {
	const struct pool_entry *pool;
	struct churn_towards towards; /* in this interval */
	double rate;		      /* ports taken from it, per second of this interval */
	/* Ports per second that never exhaust the pool: its capacity divided by the time that a closed
	 * connection holds its port; 0: no limit. */
	double sustainable;
	uint64_t failed;	      /* searches of this interval that found no port in it */
	bool reuses;		      /* connect() may reuse its TIME_WAITs (tcp_tw_reuse) */
	bool is_of_interval;	      /* an interval has ended: `towards` and `rate` are known */
	bool is_known;		      /* there were two counts, so there is a rate */
	bool will_fill;		      /* at this rate */
	uint64_t full_in_ns;	      /* with will_fill, at most 100 years; 0: it is full */
};

/* Whether connect() may reuse a TIME_WAIT of this pool: net/ipv4/tcp_ipv4.c, tcp_twsk_unique(). */
bool forecast_reuses(const struct wire_pool *pool, const struct wire_netns *netns);

/* Fills *forecast for a pool; `churn` is that of its network namespace. */
void forecast_make(const struct pool_entry *pool, const struct churn *churn, const struct netns_table *namespaces,
		   struct forecast *forecast);

/* The pools counted in this interval: those that run out first, then the fullest. Returns how many. */
size_t forecast_list(const struct churn *churn, struct model *model, struct forecast out[FORECAST_POOLS_MAX]);

/* The fullest pools of all network namespaces that pass the filters, the fullest first, without rates: for the first
 * count. Returns how many. */
size_t forecast_list_all(const struct settings *only, struct model *model, struct forecast out[FORECAST_POOLS_MAX]);

#endif
