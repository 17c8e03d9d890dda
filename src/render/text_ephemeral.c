/* SPDX-License-Identifier: GPL-2.0-only */
/* `porttrace ephemeral` as text: per interval and network namespace the sums, the fullest pools and the
 * processes that took most ports, in 80 columns. */
#include "render/text_ephemeral.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/format_number.h"
#include "render/names.h"
#include "render/search.h"
#include "render/status_lines.h"
#include "render/text.h"
#include "render/text_audit.h"
#include "render/text_churn.h"
#include "render/text_out.h"
#include "render/text_words.h"
#include "util/address.h"
#include "util/display_width.h"

#define POOLS_SHOWN	   5
#define FIRST_PERCENT	   10 /* a pool of bind() is worth a row before any rate is known */
#define NEAR_LIMIT_PERCENT 80
#define BAR_COLUMNS	   20
#define NETNS_COLUMNS	   16
#define SPARKLINE_ROOM	   20 /* to the right of the sparkline: for its duration */

/* The columns where cells begin or, for numbers, end, on a terminal of 80 columns. */
enum { AT_POOL = 2, AT_USED = 48, AT_OF = 55, AT_TIMEWAIT = 63, AT_RATE = 71, AT_FULL = 80 };
enum { AT_PROCESS = 2, AT_WHERE = 28, AT_TAKEN = 63, AT_WAITING = 71 };
enum { AT_HALF = 58, AT_MOST = 69 };

/* Shares the state of the text format, for the time column and notes. */
static struct render *ephemeral_open(const struct render_options *options)
{
	struct render *render = render_text.open(options);

	if (render)
		render->many_namespaces = true;
	return render;
}

static void ephemeral_start(struct render *render, const struct start_report *report)
{
	if (!render->options.quiet)
		status_lines_start(render->options.err, report, render->options.width);
}

/* Ends at column `end`. */
static void add_right(struct text_line *line, size_t end, const char *text)
{
	size_t length = display_width(text, strlen(text));

	text_line_column(line, end > length ? end - length : 0);
	text_line_add(line, text);
}

static void add_count(struct text_line *line, size_t end, uint64_t count)
{
	char text[NUMBER_SIZE];

	format_count(count, text);
	add_right(line, end, text);
}

static void add_rate(struct text_line *line, const char *before, uint64_t count, double seconds,
		     const char *after)
{
	char text[NUMBER_SIZE];

	format_rate(count, seconds, text);
	text_line_format(line, "%s%s%s", before, text, after);
}

/* Appends a part of the sums, on the next line if it does not fit on this one. Empties the part. */
static void add_part(struct render *render, struct text_line *line, struct text_line *part)
{
	size_t width = render->options.width;

	if (width && line->columns + part->columns > width)
		text_write(render, line);
	text_line_append(line, part);
	text_line_reset(part);
}

static void put_sums(struct render *render, const struct churn *churn, uint64_t boot_ns)
{
	uint64_t size = churn->range_high ? churn->range_high - churn->range_low + 1ULL : 0;
	struct text_line line = {}, part = {};
	char text[NUMBER_SIZE];

	text_begin(render, &line, boot_ns);
	text_netns(&part, &render->options, churn->netns);
	text_line_cut(&part, render->options.width ? NETNS_COLUMNS : 0);
	text_line_add(&line, "netns ");
	add_part(render, &line, &part);
	if (churn->ephemeral_allocated)
		add_rate(&part, "  ", churn->ephemeral_allocated, churn->interval_s, " taken");
	add_part(render, &line, &part);
	if (churn->ephemeral_released && !churn->releases_are_late)
		add_rate(&part, "  ", churn->ephemeral_released, churn->interval_s, " released");
	add_part(render, &line, &part);
	text_failed(&part, churn->ephemeral_failed);
	add_part(render, &line, &part);
	if (churn->in_use_known && size) {
		format_count(churn->ephemeral_in_use, text);
		text_line_format(&part, "  %s in use, TCP %u %%", text, percent_of(churn->now.tcp_in_use, size));
		add_part(render, &line, &part);
	}
	text_write(render, &line);
}

static void put_timewait(struct render *render, const struct churn *churn)
{
	uint64_t left = churn->timewait_expired + churn->timewait_reused + churn->timewait_killed;
	struct text_line line = {}, part = {};
	char text[NUMBER_SIZE];

	if (!churn->timewait_live && !churn->timewait_entered && !left && !churn->timewait_overflowed)
		return;
	format_count(churn->timewait_live, text);
	text_line_format(&line, "  timewait %s live", text);
	if (churn->timewait_entered)
		add_rate(&line, "  +", churn->timewait_entered, churn->interval_s, "");
	if (left)
		add_rate(&line, "  -", left, churn->interval_s, "");
	if (churn->timewait_reused) {
		format_count(churn->timewait_reused, text);
		text_line_format(&line, "  %s reused", text);
	}
	if (churn->timewait_overflowed) {
		line.style = STYLE_WARNING;
		format_count(churn->timewait_overflowed, text);
		text_line_format(&part, "  %s dropped (tcp_max_tw_buckets)", text);
		add_part(render, &line, &part);
	}
	text_write(render, &line);
}

static void add_duration(struct text_line *line, size_t end, uint64_t ns)
{
	char text[NUMBER_SIZE];

	format_duration(ns, text);
	add_right(line, end, text);
}

/* to: NULL: the searches to all destinations. */
static void put_search(struct render *render, const char *call, const struct churn_search_to *to,
		       const struct churn_search_diff *search)
{
	char address[ADDRESS_PORT_SIZE];
	struct text_line line = {};

	if (!search->count)
		return;
	text_line_column(&line, AT_POOL);
	text_line_add(&line, call);
	if (to) {
		address_format_port(to->remote_addr, to->remote_port, address);
		if (render->options.width)
			address_shorten(address, AT_USED - strlen(" 12,345") - strlen(" to ") - line.columns);
		text_line_format(&line, " to %s", address);
	}
	add_count(&line, AT_USED, search->count);
	add_duration(&line, AT_HALF, search_percentile(search, 50));
	add_duration(&line, AT_MOST, search_percentile(search, 99));
	add_duration(&line, AT_FULL, search->max_ns);
	text_write(render, &line);
}

static void searches_header(struct render *render)
{
	struct text_line line = {.style = STYLE_FAINT};

	if (render->options.quiet)
		return;
	text_line_column(&line, AT_POOL);
	text_line_add(&line, "PORT SEARCH BY");
	add_right(&line, AT_USED, "COUNT");
	add_right(&line, AT_HALF, "P50");
	add_right(&line, AT_MOST, "P99");
	add_right(&line, AT_FULL, "MAX");
	text_write(render, &line);
}

static void put_searches(struct render *render, const struct churn *churn)
{
	if (!churn->searches_timed && !render->said_untimed && churn->ephemeral_allocated) {
		struct text_line line = {.style = STYLE_FAINT};

		text_line_add(&line, "  port-search time is not available with these probes");
		text_write(render, &line);
		render->said_untimed = true;
	}
	if (!churn->searches[0].count && !churn->searches[1].count)
		return;
	searches_header(render);
	put_search(render, "connect()", NULL, &churn->searches[1]);
	for (size_t i = 0; i < churn->searches_to_count; i++)
		put_search(render, "connect()", &churn->searches_to[i], &churn->searches_to[i].search);
	put_search(render, "bind(), listen(), UDP", NULL, &churn->searches[0]);
}

/* The columns of a wider terminal are the pool's, as far as two IPv6 addresses need them. */
static size_t shift(const struct render *render)
{
	size_t width = render->options.width;

	return width > AT_FULL ? (width - AT_FULL < ADDRESS_SIZE ? width - AT_FULL : ADDRESS_SIZE) : 0;
}

static void pools_header(struct render *render)
{
	struct text_line line = {.style = STYLE_FAINT};

	if (render->options.quiet)
		return;
	text_line_column(&line, AT_POOL);
	text_line_add(&line, "POOL");
	add_right(&line, AT_USED + shift(render), "USED");
	add_right(&line, AT_OF + shift(render), "OF");
	add_right(&line, AT_TIMEWAIT + shift(render), "WAITING");
	add_right(&line, AT_RATE + shift(render), "TAKEN/s");
	add_right(&line, AT_FULL + shift(render), "FULL IN");
	text_write(render, &line);
}

/* Shortens both where the terminal has no room for them; the port of the destination stays. */
static void fit_pool(const struct render *render, struct text_line *local, char remote[ADDRESS_PORT_SIZE])
{
	size_t room = AT_USED + shift(render) - AT_POOL - strlen(" -> ") - strlen(" 100 %"), taken;

	if (!render->options.width)
		return;
	taken = display_width(remote, strlen(remote));
	text_line_cut(local, taken < room / 2 ? room - taken : room / 2);
	address_shorten(remote, room - local->columns);
}

/* "127.0.0.1 -> 10.0.0.5:443", "udp of 10.0.0.1, any peer" */
static void add_pool(const struct render *render, struct text_line *line, const struct wire_pool *pool)
{
	char text[ADDRESS_SIZE], remote[ADDRESS_PORT_SIZE], protocol[PROTOCOL_NAME_SIZE];
	struct text_line local = {};

	text_line_column(line, AT_POOL);
	address_format(pool->local_addr, text);
	if (!pool->remote_port) {
		text_line_format(line, "%s of %s, any peer", protocol_name(pool->protocol, protocol), text);
		text_line_cut(line, render->options.width ? AT_USED + shift(render) - strlen(" 100 %") : 0);
		return;
	}
	text_line_add(&local, text);
	address_format_port(pool->remote_addr, pool->remote_port, remote);
	fit_pool(render, &local, remote);
	text_line_append(line, &local);
	text_line_format(line, " -> %s", remote);
}

/* In plain characters: "[#########-----------]". What is in use at all has a mark. */
static void add_bar(struct text_line *line, unsigned int percent)
{
	unsigned int marks = (percent * BAR_COLUMNS + 99) / 100;
	char bar[BAR_COLUMNS + 1] = "";

	memset(bar, '-', BAR_COLUMNS);
	memset(bar, '#', marks < BAR_COLUMNS ? marks : BAR_COLUMNS);
	text_line_format(line, "[%s]", bar);
}

/* How full: an eighth of a block for each eighth, or the first digit of the percentage. */
static void add_level(struct text_line *line, bool utf8, unsigned int percent)
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

	if (utf8)
		text_line_add(line, blocks[percent * 8 / 100 < 8 ? percent * 8 / 100 : 7]);
	else
		text_line_format(line, "%u", percent / 10 < 10 ? percent / 10 : 9);
}

/* Columns from the count before to this one: one, and one more for each interval without a count. */
static size_t columns_between(const struct pool_fill *before, const struct pool_fill *fill, double interval_s)
{
	double intervals = interval_s > 0 ? (fill->at_ms - before->at_ms) / (interval_s * 1000) : 0;

	if (intervals >= POOL_HISTORY)
		return POOL_HISTORY;
	return intervals > 1 ? (size_t)(intervals + 0.5) : 1;
}

/* A column for each interval, the newest at the right; blank where the ports were not counted. */
static void add_sparkline(const struct render *render, struct text_line *line, const struct pool_entry *pool,
			  double interval_s)
{
	size_t width = render->options.width, taken = line->columns + SPARKLINE_ROOM;
	size_t most = width > taken ? width - taken : 0, columns = 1, first = 0;
	char duration[NUMBER_SIZE];

	for (; pool_fill_get(pool, first + 1); first++) {
		columns += columns_between(pool_fill_get(pool, first + 1), pool_fill_get(pool, first), interval_s);
		if (columns > most)
			break;
	}
	if (!first || !most)
		return;
	text_line_add(line, "  ");
	for (size_t age = first + 1; age-- > 0;) {
		size_t start = line->columns;

		if (age < first)
			start += columns_between(pool_fill_get(pool, age + 1), pool_fill_get(pool, age), interval_s) - 1;
		while (line->columns < start)
			text_line_add(line, " ");
		add_level(line, render->options.utf8, pool_fill_get(pool, age)->percent);
	}
	format_age((pool_fill_get(pool, 0)->at_ms - pool_fill_get(pool, first)->at_ms) * 1000000ULL, duration);
	text_line_format(line, "  last %s", duration);
}

/* Below the row of a pool. */
static void put_fill(struct render *render, const struct forecast *forecast, double interval_s)
{
	const struct wire_pool *pool = &forecast->pool->now;
	struct text_line line = {};

	text_line_column(&line, AT_POOL + 2);
	add_bar(&line, percent_of(pool->in_use, pool->capacity));
	if (!forecast->is_of_interval && pool->netns != render->options.own_netns) {
		text_line_add(&line, "  netns ");
		text_netns(&line, &render->options, pool->netns);
	}
	add_sparkline(render, &line, forecast->pool, interval_s);
	text_write(render, &line);
}

/* interval_s 0: before the first interval. */
static void put_pool(struct render *render, const struct forecast *forecast, double interval_s)
{
	const struct wire_pool *pool = &forecast->pool->now;
	unsigned int percent = percent_of(pool->in_use, pool->capacity);
	size_t right = shift(render);
	struct text_line line = {};
	char text[NUMBER_SIZE];

	if ((percent >= NEAR_LIMIT_PERCENT && !forecast->reuses) || forecast->will_fill)
		line.style = STYLE_WARNING;
	add_pool(render, &line, pool);
	snprintf(text, sizeof(text), "%u %%", percent);
	add_right(&line, AT_USED + right, text);
	add_count(&line, AT_OF + right, pool->capacity);
	if (pool->remote_port)
		add_count(&line, AT_TIMEWAIT + right, pool->timewait);
	if (forecast->is_of_interval)
		add_count(&line, AT_RATE + right, round_to_uint64(forecast->rate));
	if (forecast->will_fill && forecast->full_in_ns)
		format_duration(forecast->full_in_ns, text);
	else
		snprintf(text, sizeof(text), "%s", forecast->will_fill ? "full" : "-");
	add_right(&line, AT_FULL + right, text);
	text_write(render, &line);
	put_fill(render, forecast, interval_s);
}

/* A pool of bind() that no bind() uses adds nothing to the pools of connect(). */
static bool is_shown(const struct forecast *forecast)
{
	return forecast->pool->now.remote_port || forecast->towards.allocated;
}

/* That of which most ports were taken in the interval. NULL: none were. */
static const struct forecast *busiest(const struct forecast *forecasts, size_t count)
{
	const struct forecast *most = NULL;

	for (size_t i = 0; i < count; i++) {
		if (forecasts[i].towards.allocated > (most ? most->towards.allocated : 0))
			most = &forecasts[i];
	}
	return most;
}

/* The first ones, and the busiest in any case: in place of the last one. */
static void put_pools(struct render *render, const struct churn *churn, struct model *model)
{
	struct forecast forecasts[FORECAST_POOLS_MAX];
	size_t count = forecast_list(churn, model, forecasts), shown = 0;
	const struct forecast *busy = busiest(forecasts, count);

	for (size_t i = 0; i < count && shown < POOLS_SHOWN; i++) {
		const struct forecast *forecast = &forecasts[i];

		if (!is_shown(forecast))
			continue;
		if (shown == POOLS_SHOWN - 1 && busy)
			forecast = busy;
		if (forecast == busy)
			busy = NULL;
		if (!shown++)
			pools_header(render);
		put_pool(render, forecast, churn->interval_s);
	}
}

static void ephemeral_pools(struct render *render, const struct forecast *forecasts, size_t count, uint64_t boot_ns)
{
	struct text_line line = {};
	size_t shown = 0;

	for (size_t i = 0; i < count && shown < POOLS_SHOWN; i++) {
		const struct wire_pool *pool = &forecasts[i].pool->now;

		if (!pool->remote_port && percent_of(pool->in_use, pool->capacity) < FIRST_PERCENT)
			continue;
		if (!shown++) {
			text_begin(render, &line, boot_ns);
			text_line_add(&line, "the fullest pools now");
			text_write(render, &line);
			pools_header(render);
		}
		put_pool(render, &forecasts[i], 0);
	}
	if (shown)
		return;
	text_begin(render, &line, boot_ns);
	text_line_add(&line, "no ephemeral port is in use now");
	text_write(render, &line);
}

static void put_process(struct render *render, const struct churn_top *top)
{
	struct text_line line = {};
	char text[ADDRESS_PORT_SIZE];

	text_line_column(&line, AT_PROCESS);
	if (top->task.pid) {
		text_comm(&line, top->task.comm, render->options.width > 0);
		text_who(&line, "", top->task.pid);
	} else {
		text_line_add(&line, "-");
	}
	text_line_column(&line, AT_WHERE);
	if (top->remote_port) {
		address_format_port(top->remote_addr, top->remote_port, text);
		if (render->options.width)
			address_shorten(text, AT_TAKEN - strlen(" 12,345") - strlen(" +12") - strlen("-> ") - AT_WHERE);
		text_line_format(&line, "-> %s", text);
	} else {
		text_line_add(&line, top->allocated || top->failed ? "any peer" : "incoming connections");
	}
	if (top->flow_count > 1)
		text_line_format(&line, " +%u", top->flow_count - 1);
	add_count(&line, AT_TAKEN, top->allocated);
	add_count(&line, AT_WAITING, top->timewait);
	if (top->failed)
		add_count(&line, AT_FULL, top->failed);
	text_write(render, &line);
}

static void processes_header(struct render *render)
{
	struct text_line line = {.style = STYLE_FAINT};

	if (render->options.quiet)
		return;
	text_line_column(&line, AT_PROCESS);
	text_line_add(&line, "PROCESS");
	text_line_column(&line, AT_WHERE);
	text_line_add(&line, "TO");
	add_right(&line, AT_TAKEN, "TAKEN");
	add_right(&line, AT_WAITING, "WAITING");
	add_right(&line, AT_FULL, "FAILED");
	text_write(render, &line);
}

static void put_processes(struct render *render, const struct churn *churn)
{
	if (churn->process_count)
		processes_header(render);
	for (size_t i = 0; i < churn->process_count; i++)
		put_process(render, &churn->processes[i]);
}

static void ephemeral_churn(struct render *render, const struct churn *churn, struct model *model,
			    uint64_t boot_ns)
{
	render->has_change = true;
	put_sums(render, churn, boot_ns);
	put_timewait(render, churn);
	put_searches(render, churn);
	put_pools(render, churn, model);
	put_processes(render, churn);
}

static void ephemeral_interval(struct render *render, uint64_t boot_ns)
{
	struct text_line line = {.style = STYLE_FAINT};

	if (!render->has_change) {
		text_begin(render, &line, boot_ns);
		text_line_add(&line, "no change");
		text_write(render, &line);
	}
	render->has_change = false;
}

static void no_event(struct render *render, const struct report *report)
{
	(void)render;
	(void)report;
}

static void ephemeral_lost(struct render *render, uint64_t count, const char *reason, uint64_t boot_ns)
{
	render_text.lost(render, count, reason, boot_ns);
}

static void ephemeral_stop(struct render *render, const struct stop_report *report)
{
	fflush(render->options.out);
	if (!render->options.quiet && report->lost)
		status_lines_stop(render->options.err, report);
}

static int ephemeral_flush(struct render *render, uint64_t now_boot_ns)
{
	return render_text.flush(render, now_boot_ns);
}

static void ephemeral_close(struct render *render)
{
	render_text.close(render);
}

const struct renderer render_ephemeral = {
	.name = "ephemeral",
	.open = ephemeral_open,
	.start = ephemeral_start,
	.event = no_event,
	.pools = ephemeral_pools,
	.audit = text_audit,
	.churn = ephemeral_churn,
	.warning = text_warning,
	.interval = ephemeral_interval,
	.lost = ephemeral_lost,
	.stop = ephemeral_stop,
	.flush = ephemeral_flush,
	.close = ephemeral_close,
};
