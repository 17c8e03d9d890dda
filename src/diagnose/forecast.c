/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Simulates a pool in steps of WIRE_POOL_STEP_MS: ports are taken at the present rate, and TIME_WAITs expire
 * when the kernel's timers say so (wire_pool.ends).
 */
#include "diagnose/forecast.h"

#include <netinet/in.h>

#include "diagnose/rules.h"
#include "model/wire_filter.h"
#include "util/address.h"

#define TIMEWAIT_S (TIMEWAIT_MS / 1000.0)
#define STEP_S	   (WIRE_POOL_STEP_MS / 1000.0)

/* A pool that needs a century to fill is reported as one that does not; 2^64 ns are 584 years. */
#define FORECAST_MAX_S (100 * 365.25 * 24 * 3600)

/* If at least this share of the ports in use is in TIME_WAIT, ports expire as fast as they are taken. */
#define ALL_EXPIRE 0.95

bool forecast_reuses(const struct wire_pool *pool, const struct wire_netns *netns)
{
	if (pool->protocol != IPPROTO_TCP || !pool->remote_port)
		return false;
	return tw_reuse_covers(netns->tw_reuse, pool->local_addr) || tw_reuse_covers(netns->tw_reuse, pool->remote_addr);
}

/* How long a closed connection holds its port. */
static double hold_s(const struct forecast *forecast, const struct wire_netns *netns)
{
	return forecast->reuses ? netns->tw_reuse_delay_ms / 1000.0 : TIMEWAIT_S;
}

static void will_fill_in(struct forecast *forecast, double seconds)
{
	/* Also false for a NaN. */
	if (!(seconds < FORECAST_MAX_S))
		return;
	forecast->will_fill = true;
	forecast->full_in_ns = seconds > 0 ? (uint64_t)(seconds * 1e9) : 0;
}

/*
 * connect() reuses a TIME_WAIT that is old enough, so only younger ones and open connections fill the pool. A connection
 * that ends without a TIME_WAIT, as one that the peer refuses, gives its port back at once.
 */
static void fill_reusing(struct forecast *forecast, const struct churn *churn)
{
	const struct wire_pool *now = &forecast->pool->now;
	double closing = churn->interval_s > 0 ? (double)forecast->towards.timewait / churn->interval_s : 0;
	double waiting = closing * hold_s(forecast, &churn->now), open = (double)now->in_use - now->timewait;
	double left = now->capacity - open - (waiting < now->timewait ? waiting : now->timewait);

	if (open + waiting > now->capacity)
		will_fill_in(forecast, left / closing);
	else if (forecast->pool->growth > 0 && left / forecast->pool->growth < TIMEWAIT_S)
		will_fill_in(forecast, left / forecast->pool->growth);
}

static void fill_by_steps(struct forecast *forecast)
{
	const struct wire_pool *now = &forecast->pool->now;
	double used = now->in_use, inflow = forecast->pool->inflow, capacity = now->capacity;
	double waiting = now->in_use ? (double)now->timewait / now->in_use : 0;

	for (size_t i = 0; i < (size_t)(TIMEWAIT_S / STEP_S); i++) {
		double net = inflow * STEP_S - now->ends[i];

		if (used + net >= capacity) {
			will_fill_in(forecast, i * STEP_S + (capacity - used) / (net / STEP_S));
			return;
		}
		used += net;
	}
	/* After 60 s the ports taken from now on expire as well. */
	if (waiting < ALL_EXPIRE)
		will_fill_in(forecast, TIMEWAIT_S + (capacity - used) / (inflow * (1 - waiting)));
}

/* connect() of TCP alone has a pool for each destination; bind() and listen() search for all addresses. */
static uint64_t failed_searches(const struct forecast *forecast, const struct churn *churn)
{
	const struct wire_pool *now = &forecast->pool->now;

	return !now->remote_port && now->protocol == IPPROTO_TCP ? churn->failed_bind + churn->failed_listen
								 : forecast->towards.failed;
}

static bool is_full(const struct forecast *forecast)
{
	const struct wire_pool *now = &forecast->pool->now;

	if (forecast->failed && now->in_use * 100ULL >= now->capacity * (uint64_t)FORECAST_FULL_PERCENT)
		return true;
	return now->in_use >= now->capacity && !forecast->reuses;
}

void forecast_make(const struct pool_entry *pool, const struct churn *churn, const struct netns_table *namespaces,
		   struct forecast *forecast)
{
	const struct wire_pool *now = &pool->now;

	*forecast = (struct forecast){
		.pool = pool,
		.reuses = forecast_reuses(now, &churn->now),
		.is_known = pool->is_rate_known,
	};
	if (churn->interval)
		netns_table_towards(namespaces, now, churn->interval, &forecast->towards);
	forecast->is_of_interval = churn->interval_s > 0;
	if (forecast->is_of_interval)
		forecast->rate = (double)forecast->towards.allocated / churn->interval_s;
	if (now->protocol == IPPROTO_TCP && hold_s(forecast, &churn->now) > 0)
		forecast->sustainable = now->capacity / hold_s(forecast, &churn->now);
	forecast->failed = failed_searches(forecast, churn);
	if (is_full(forecast))
		will_fill_in(forecast, 0);
	else if (forecast->is_known && forecast->reuses)
		fill_reusing(forecast, churn);
	else if (forecast->is_known && pool->inflow > 0)
		fill_by_steps(forecast);
}

static double use_of(const struct forecast *forecast)
{
	const struct wire_pool *now = &forecast->pool->now;

	return now->capacity ? (double)now->in_use / now->capacity : 1;
}

static bool is_worse(const struct forecast *a, const struct forecast *b)
{
	if (a->will_fill != b->will_fill)
		return a->will_fill;
	if (a->will_fill && a->full_in_ns != b->full_in_ns)
		return a->full_in_ns < b->full_in_ns;
	return use_of(a) > use_of(b);
}

static bool passes(const struct settings *only, const struct wire_pool *pool)
{
	return !only || wire_filter_flow(only, pool->local_addr, pool->remote_addr, pool->remote_port, pool->protocol, NULL);
}

size_t forecast_list_all(const struct settings *only, struct model *model, struct forecast out[FORECAST_POOLS_MAX])
{
	const struct pool_entry *pools[FORECAST_POOLS_MAX];
	struct netns_table *namespaces = model_namespaces(model);
	size_t count = pool_table_list(model_pools(model), 0, 0, pools, FORECAST_POOLS_MAX), wanted = 0;

	for (size_t i = 0; i < count; i++) {
		const struct netns_entry *netns = netns_table_find(namespaces, pools[i]->now.netns);
		struct churn none = {.netns = pools[i]->now.netns};

		if (netns)
			none.now = netns->now;
		if (passes(only, &pools[i]->now))
			forecast_make(pools[i], &none, namespaces, &out[wanted++]);
	}
	return wanted;
}

size_t forecast_list(const struct churn *churn, struct model *model, struct forecast out[FORECAST_POOLS_MAX])
{
	const struct pool_entry *pools[FORECAST_POOLS_MAX];
	size_t count = pool_table_list(model_pools(model), churn->netns, churn->began_boot_ns, pools,
				       FORECAST_POOLS_MAX);
	size_t wanted = 0;

	for (size_t i = 0; i < count; i++) {
		struct forecast forecast;
		size_t at = wanted;

		if (!passes(churn->only, &pools[i]->now))
			continue;
		forecast_make(pools[i], churn, model_namespaces(model), &forecast);
		for (; at && is_worse(&forecast, &out[at - 1]); at--)
			out[at] = out[at - 1];
		out[at] = forecast;
		wanted++;
	}
	return wanted;
}
