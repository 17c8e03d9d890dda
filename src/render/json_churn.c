/* SPDX-License-Identifier: GPL-2.0-only */
/* The records `churn` and `warning`: ephemeral ports, TIME_WAITs, usage of the pools and its forecast. */
#include "render/json_churn.h"

#include <string.h>

#include "render/format_number.h"
#include "render/names.h"
#include "render/search.h"
#include "util/address.h"

#define put_number json_put_number
#define put_text   json_put_text

/* Rounded to thousandths; 0 for NaN. */
static void put_fraction(struct json_line *line, const char *key, double value)
{
	json_key(line, key, strlen(key));
	json_thousandths(line, round_to_uint64(value * 1000));
}

static void put_address(struct json_line *line, const char *key, const uint8_t addr[16])
{
	char text[ADDRESS_SIZE];

	json_key(line, key, strlen(key));
	json_word(line, text, address_format(addr, text));
}

static bool is_known(const uint8_t addr[16])
{
	static const uint8_t zero[16];

	return memcmp(addr, zero, sizeof(zero)) != 0;
}

static void put_protocol(struct json_line *line, uint16_t protocol)
{
	char text[PROTOCOL_NAME_SIZE];

	put_text(line, "protocol", protocol_name(protocol, text));
}

static void put_timewait(struct json_line *line, const struct churn *churn)
{
	JSON_KEY(line, "timewait");
	json_open_map(line);
	if (!churn->is_limited)
		put_number(line, "live", churn->timewait_live);
	put_number(line, "entered", churn->timewait_entered);
	if (!churn->is_limited) {
		put_number(line, "expired", churn->timewait_expired);
		put_number(line, "reused", churn->timewait_reused);
		put_number(line, "killed", churn->timewait_killed);
		put_number(line, "overflowed", churn->timewait_overflowed);
	}
	if (churn->now.has & WIRE_NETNS_READ) {
		put_number(line, "max", churn->now.tw_max_buckets);
		put_number(line, "reuse", churn->now.tw_reuse);
		put_number(line, "reuse_delay_ms", churn->now.tw_reuse_delay_ms);
	}
	json_close_map(line);
}

/* Captures of older versions have only the sums: the parts do not add up to them. */
static void put_calls(struct json_line *line, const struct churn *churn)
{
	if (churn->by_connect + churn->by_bind + churn->by_autobind == churn->ephemeral_allocated) {
		put_number(line, "by_connect", churn->by_connect);
		put_number(line, "by_bind", churn->by_bind);
		put_number(line, "by_autobind", churn->by_autobind);
	}
	if (churn->failed_connect + churn->failed_connect_again + churn->failed_bind + churn->failed_listen +
		    churn->failed_send != churn->ephemeral_failed)
		return;
	put_number(line, "connect_eaddrnotavail", churn->failed_connect);
	put_number(line, "connect_eagain", churn->failed_connect_again);
	put_number(line, "bind_eaddrinuse", churn->failed_bind);
	put_number(line, "listen_eaddrinuse", churn->failed_listen);
	put_number(line, "send_eagain", churn->failed_send);
}

static void put_ephemeral(struct json_line *line, const struct churn *churn)
{
	JSON_KEY(line, "ephemeral");
	json_open_map(line);
	if (churn->range_high)
		json_put_range(line, churn->range_low, churn->range_high);
	put_number(line, "allocated", churn->ephemeral_allocated);
	if (!churn->is_limited)
		put_number(line, "released", churn->ephemeral_released);
	put_number(line, "failed", churn->ephemeral_failed);
	if (churn->in_use_known) {
		put_number(line, "in_use", churn->ephemeral_in_use);
		put_number(line, "tcp_in_use", churn->now.tcp_in_use);
		put_number(line, "udp_in_use", churn->now.udp_in_use);
		put_number(line, "bound", churn->now.tcp_bound);
	}
	if (churn->now.has & WIRE_NETNS_READ)
		put_number(line, "reserved", churn->now.reserved_count);
	if (!churn->is_limited)
		put_calls(line, churn);
	json_close_map(line);
}

static void put_top(struct json_line *line, const struct churn_top *top)
{
	json_open_map(line);
	if (top->task.pid)
		json_task(line, &top->task);
	if (is_known(top->local_addr))
		put_address(line, "local_address", top->local_addr);
	if (top->remote_port) {
		put_address(line, "remote_address", top->remote_addr);
		put_number(line, "remote_port", top->remote_port);
	}
	put_number(line, "allocated", top->allocated);
	put_number(line, "timewait", top->timewait);
	put_number(line, "failed", top->failed);
	json_close_map(line);
}

/* Fields of a pool that the records `churn` and `warning` share. */
static void put_fill(struct json_line *line, const struct forecast *forecast)
{
	const struct wire_pool *pool = &forecast->pool->now;

	put_number(line, "capacity", pool->capacity);
	put_number(line, "in_use", pool->in_use);
	if (pool->remote_port)
		put_number(line, "timewait", pool->timewait);
	if (forecast->is_of_interval)
		put_fraction(line, "rate_per_s", forecast->rate);
	if (forecast->sustainable > 0)
		put_fraction(line, "sustainable_per_s", forecast->sustainable);
	if (forecast->will_fill)
		put_fraction(line, "full_in_s", (double)forecast->full_in_ns / 1e9);
}

static void put_pool(struct json_line *line, const struct forecast *forecast)
{
	const struct wire_pool *pool = &forecast->pool->now;

	put_protocol(line, pool->protocol);
	put_address(line, "local_address", pool->local_addr);
	if (pool->remote_port) {
		put_address(line, "remote_address", pool->remote_addr);
		put_number(line, "remote_port", pool->remote_port);
	}
	json_put_range(line, pool->range_low, pool->range_high);
	put_fill(line, forecast);
	if (pool->remote_port)
		put_number(line, "first_half_in_use", pool->first_parity);
}

static void put_pool_of_interval(struct json_line *line, const struct forecast *forecast)
{
	const struct churn_towards *towards = &forecast->towards;

	json_open_map(line);
	put_pool(line, forecast);
	put_number(line, "failed", towards->failed);
	if (towards->most.task.pid)
		json_task(line, &towards->most.task);
	json_close_map(line);
}

void json_pools(struct render *render, const struct forecast *forecasts, size_t count, uint64_t boot_ns)
{
	struct json_line *line = render->line;

	json_begin_event(render, boot_ns, "pools");
	JSON_KEY(line, "pools");
	json_open_list(line);
	for (size_t i = 0; i < count; i++) {
		const uint32_t netns = forecasts[i].pool->now.netns;
		const char *name = render->options.netns_name ? render->options.netns_name(netns) : NULL;

		json_open_map(line);
		put_number(line, "netns", netns);
		if (name)
			put_text(line, "netns_name", name);
		put_pool(line, &forecasts[i]);
		json_close_map(line);
	}
	json_close_list(line);
	json_line_end(line);
}

static void put_percentiles(struct json_line *line, const struct churn_search_diff *search)
{
	put_number(line, "count", search->count);
	put_number(line, "p50_ns", search_percentile(search, 50));
	put_number(line, "p99_ns", search_percentile(search, 99));
	put_number(line, "max_ns", search->max_ns);
}

static void put_search(struct json_line *line, const char *key, const struct churn_search_diff *search)
{
	if (!search->count)
		return;
	json_key(line, key, strlen(key));
	json_open_map(line);
	put_percentiles(line, search);
	json_close_map(line);
}

static void put_searches(struct json_line *line, const struct churn *churn)
{
	JSON_KEY(line, "search_timed");
	json_bool(line, churn->searches_timed);
	put_search(line, "connect_search", &churn->searches[1]);
	put_search(line, "bind_search", &churn->searches[0]);
	if (!churn->searches_to_count)
		return;
	JSON_KEY(line, "long_searches");
	json_open_list(line);
	for (size_t i = 0; i < churn->searches_to_count; i++) {
		json_open_map(line);
		put_address(line, "remote_address", churn->searches_to[i].remote_addr);
		put_number(line, "remote_port", churn->searches_to[i].remote_port);
		put_percentiles(line, &churn->searches_to[i].search);
		json_close_map(line);
	}
	json_close_list(line);
}

void json_churn(struct render *render, const struct churn *churn, struct model *model, uint64_t boot_ns)
{
	struct forecast forecasts[FORECAST_POOLS_MAX];
	size_t count = model ? forecast_list(churn, model, forecasts) : 0;
	struct json_line *line = render->line;

	json_begin_event(render, boot_ns, "churn");
	put_fraction(line, "interval_s", churn->interval_s);
	put_number(line, "netns", churn->netns);
	put_timewait(line, churn);
	put_ephemeral(line, churn);
	JSON_KEY(line, "top");
	json_open_list(line);
	for (size_t i = 0; i < churn->top_count; i++)
		put_top(line, &churn->top[i]);
	json_close_list(line);
	if (churn->flows_forgotten)
		put_number(line, "top_forgotten", churn->flows_forgotten);
	if (count) {
		JSON_KEY(line, "pools");
		json_open_list(line);
		for (size_t i = 0; i < count; i++)
			put_pool_of_interval(line, &forecasts[i]);
		json_close_list(line);
	}
	put_searches(line, churn);
	json_line_end(line);
}

void json_warning(struct render *render, const struct warning *warning, uint64_t boot_ns)
{
	const struct wire_sock *sock = &warning->sock;
	struct json_line *line = render->line;

	json_begin_event(render, boot_ns, "warning");
	put_text(line, "kind", warning->kind);
	put_number(line, "netns", sock->netns);
	if (sock->protocol)
		put_protocol(line, sock->protocol);
	if (is_known(sock->local_addr))
		put_address(line, "local_address", sock->local_addr);
	if (sock->local_port)
		put_number(line, "local_port", sock->local_port);
	if (sock->remote_port) {
		put_address(line, "remote_address", sock->remote_addr);
		put_number(line, "remote_port", sock->remote_port);
	}
	if (warning->task.pid)
		json_task(line, &warning->task);
	if (warning->other_task.pid) {
		JSON_KEY(line, "other");
		json_open_map(line);
		put_address(line, "local_address", warning->other.local_addr);
		put_number(line, "local_port", warning->other.local_port);
		json_task(line, &warning->other_task);
		json_close_map(line);
	}
	if (warning->forecast)
		put_fill(line, warning->forecast);
	if (warning->count)
		put_number(line, "count", warning->count);
	put_text(line, "why", warning->why);
	put_text(line, "fix", warning->fix);
	json_line_end(line);
}
