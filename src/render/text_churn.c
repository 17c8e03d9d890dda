/* SPDX-License-Identifier: GPL-2.0-only */
/* TIME_WAITs and ephemeral ports of a network namespace in one interval: a line each. */
#include "render/text_churn.h"

#include <stdlib.h>
#include <string.h>

#include "diagnose/forecast.h"
#include "render/format_number.h"
#include "render/text_words.h"
#include "util/address.h"

#define NEAR_LIMIT_PERCENT 80
/* Churn of an interval is shown at once from here on. */
#define NOTABLE_PERCENT	   20
#define NOTABLE_RATE	   100.0
/* Other churn is summed so long. */
#define HELD_NS		   10000000000ULL
#define HELD_NAMESPACES	   16

/* The pools of a namespace at the end of the last interval. */
struct pools {
	struct forecast forecasts[FORECAST_POOLS_MAX];
	size_t count;
};

struct held_churn {
	struct churn churn; /* the sum */
	bool is_pending;
	uint64_t due_boot_ns; /* not shown before */
};

/* Values are two spaces apart: these lines have no columns. */
static void add_count(struct text_line *line, uint64_t count, const char *unit)
{
	char text[NUMBER_SIZE];

	format_count(count, text);
	text_line_format(line, "  %s %s", text, unit);
}

static void add_rate(struct text_line *line, const char *sign, uint64_t count, double seconds)
{
	char text[NUMBER_SIZE];

	format_rate(count, seconds, text);
	text_line_format(line, "  %s%s", sign, text);
}

static void add_namespace(struct render *render, struct text_line *line, uint32_t netns)
{
	uint32_t own = render->options.own_netns;

	if (!render->options.verbose && (own ? netns == own : !render->many_namespaces))
		return;
	text_line_add(line, "  netns ");
	text_netns(line, &render->options, netns);
}

static const struct churn_top *top_timewait(const struct churn *churn)
{
	const struct churn_top *most = NULL;

	for (size_t i = 0; i < churn->top_count; i++) {
		if (churn->top[i].timewait > (most ? most->timewait : 0))
			most = &churn->top[i];
	}
	return most;
}

static uint64_t timewaits_left(const struct churn *churn)
{
	return churn->timewait_expired + churn->timewait_reused + churn->timewait_killed;
}

/* Shortened to what is left of the line beside `after` more columns. */
static void add_address(struct render *render, struct text_line *line, const uint8_t address[16], uint16_t port,
			size_t after)
{
	size_t width = render->options.width, taken = line->columns + after;
	char text[ADDRESS_PORT_SIZE];

	address_format_port(address, port, text);
	if (width)
		address_shorten(text, width > taken ? width - taken : 1);
	text_line_add(line, text);
}

static void put_timewait(struct render *render, const struct churn *churn, uint64_t boot_ns)
{
	const struct churn_top *top = top_timewait(churn);
	uint64_t left = timewaits_left(churn);
	struct text_line line = {};

	if (churn->timewait_entered + left + churn->timewait_overflowed == 0)
		return;
	text_begin(render, &line, boot_ns);
	text_line_add(&line, "timewait");
	if (churn->timewait_live)
		add_count(&line, churn->timewait_live, "live");
	if (churn->timewait_entered)
		add_rate(&line, "+", churn->timewait_entered, churn->interval_s);
	if (left)
		add_rate(&line, "-", left, churn->interval_s);
	if (churn->timewait_reused)
		add_count(&line, churn->timewait_reused, "reused");
	if (churn->timewait_killed)
		add_count(&line, churn->timewait_killed, "killed");
	if (churn->timewait_overflowed) {
		add_count(&line, churn->timewait_overflowed, "dropped (tcp_max_tw_buckets)");
		line.style = STYLE_WARNING;
	}
	if (top && top->task.pid && churn->timewait_entered) {
		text_line_format(&line, "  %u %% ", percent_of(top->timewait, churn->timewait_entered));
		text_who(&line, top->task.comm, top->task.pid);
		if (top->remote_port) {
			text_line_add(&line, " -> ");
			add_address(render, &line, top->remote_addr, top->remote_port, 0);
		}
	}
	add_namespace(render, &line, churn->netns);
	text_write(render, &line);
}

static unsigned int percent_in_use(const struct forecast *forecast)
{
	return percent_of(forecast->pool->now.in_use, forecast->pool->now.capacity);
}

/* The pool that fills first, or the fullest if it is near its limit; else the one from which most ports were taken. One
 * port can serve several destinations, so each has a pool. */
static const struct forecast *pool_to_name(const struct pools *pools)
{
	const struct forecast *named = NULL;

	for (size_t i = 0; i < pools->count; i++) {
		const struct forecast *other = &pools->forecasts[i];

		if (!other->pool->now.remote_port && !other->towards.allocated)
			continue;
		if (!named || (!named->will_fill && percent_in_use(named) < NEAR_LIMIT_PERCENT &&
			       other->towards.allocated > named->towards.allocated))
			named = other;
	}
	return named;
}

/* A destination to which every port is given back at once has no pool. */
static void add_busiest(struct render *render, struct text_line *line, const struct churn *churn,
			const struct forecast *named)
{
	const struct churn_top *top = &churn->top[0];

	if (!churn->top_count || !top->remote_port || !top->allocated)
		return;
	if (named && (top->allocated <= named->towards.allocated ||
		      (top->remote_port == named->pool->now.remote_port &&
		       !memcmp(top->remote_addr, named->pool->now.remote_addr, sizeof(top->remote_addr)))))
		return;
	text_line_add(line, "  most to ");
	add_address(render, line, top->remote_addr, top->remote_port, 0);
}

static void add_fill(struct render *render, struct text_line *line, const struct churn *churn,
		     const struct pools *pools)
{
	const struct forecast *worst = pool_to_name(pools);
	struct text_line end = {};
	char text[NUMBER_SIZE];
	unsigned int percent;

	add_busiest(render, line, churn, worst);
	if (!worst)
		return;
	percent = percent_in_use(worst);
	if (percent >= NEAR_LIMIT_PERCENT && !worst->reuses)
		line->style = STYLE_WARNING;
	format_count(worst->pool->now.capacity, text);
	text_line_format(line, "  %u %% of %s", percent, text);
	if (worst->will_fill && !worst->full_in_ns) {
		text_line_add(&end, "  full");
	} else if (worst->will_fill) {
		format_duration(worst->full_in_ns, text);
		text_line_format(&end, "  full in %s at this rate", text);
	}
	if (worst->pool->now.remote_port) {
		text_line_add(line, " to ");
		add_address(render, line, worst->pool->now.remote_addr, worst->pool->now.remote_port, end.columns);
	}
	text_line_append(line, &end);
}

static void put_ephemeral(struct render *render, const struct churn *churn, const struct pools *pools,
			  uint64_t boot_ns)
{
	struct text_line line = {};

	if (churn->ephemeral_allocated + churn->ephemeral_failed == 0)
		return;
	text_begin(render, &line, boot_ns);
	text_line_add(&line, "ephemeral");
	add_rate(&line, "", churn->ephemeral_allocated, churn->interval_s);
	text_line_add(&line, " taken");
	add_fill(render, &line, churn, pools);
	text_failed(&line, churn->ephemeral_failed);
	add_namespace(render, &line, churn->netns);
	text_write(render, &line);
}

/* Reason and remedy below the warning, as below a failure. */
void text_warning(struct render *render, const struct warning *warning, uint64_t boot_ns)
{
	struct text_line line = {.style = STYLE_WARNING};

	text_begin(render, &line, boot_ns);
	text_line_format(&line, "warning  %s", warning->kind);
	add_namespace(render, &line, warning->sock.netns);
	text_write(render, &line);
	text_note_words(render, "why", warning->why);
	text_note_words(render, "do", warning->fix);
}

static void put_churn(struct render *render, const struct churn *churn, const struct pools *pools, uint64_t boot_ns)
{
	put_timewait(render, churn, boot_ns);
	put_ephemeral(render, churn, pools, boot_ns);
}

static bool has_full_pool(const struct pools *pools)
{
	for (size_t i = 0; i < pools->count; i++) {
		if (percent_in_use(&pools->forecasts[i]) >= NOTABLE_PERCENT)
			return true;
	}
	return false;
}

static bool is_notable(const struct churn *churn, const struct pools *pools)
{
	double rate = NOTABLE_RATE * churn->interval_s;

	return churn->ephemeral_failed || churn->timewait_overflowed || (double)churn->ephemeral_allocated >= rate ||
	       (double)churn->timewait_entered >= rate || (double)timewaits_left(churn) >= rate ||
	       has_full_pool(pools);
}

/* The slot of a namespace; NULL: all are of others that wait. */
static struct held_churn *find_slot(struct render *render, uint32_t netns)
{
	struct held_churn *free_slot = NULL;

	if (!render->held)
		render->held = calloc(HELD_NAMESPACES, sizeof(*render->held));
	for (size_t i = 0; render->held && i < HELD_NAMESPACES; i++) {
		struct held_churn *held = &render->held[i];

		if (held->churn.netns == netns)
			return held;
		if (!held->is_pending && (!free_slot || held->due_boot_ns < free_slot->due_boot_ns))
			free_slot = held;
	}
	if (free_slot)
		*free_slot = (struct held_churn){0};
	return free_slot;
}

static void add_to(struct held_churn *held, const struct churn *churn)
{
	struct churn sum = *churn;

	if (held->is_pending) {
		const struct churn *before = &held->churn;

		sum.began_boot_ns = before->began_boot_ns;
		sum.timewait_entered += before->timewait_entered;
		sum.timewait_expired += before->timewait_expired;
		sum.timewait_reused += before->timewait_reused;
		sum.timewait_killed += before->timewait_killed;
		sum.timewait_overflowed += before->timewait_overflowed;
		sum.ephemeral_allocated += before->ephemeral_allocated;
		sum.ephemeral_released += before->ephemeral_released;
		sum.ephemeral_failed += before->ephemeral_failed;
		sum.interval_s += before->interval_s;
		sum.top_count = 0; /* of the last interval only */
	}
	held->churn = sum;
	held->is_pending = true;
}

static void put_held(struct render *render, struct held_churn *held, const struct pools *pools, uint64_t boot_ns)
{
	put_churn(render, &held->churn, pools, boot_ns);
	held->is_pending = false;
	held->due_boot_ns = boot_ns > UINT64_MAX - HELD_NS ? UINT64_MAX : boot_ns + HELD_NS;
}

void text_churn(struct render *render, const struct churn *churn, struct model *model,
		uint64_t boot_ns)
{
	struct held_churn *held = render->options.sums_churn ? find_slot(render, churn->netns) : NULL;
	struct pools pools;

	pools.count = model ? forecast_list(churn, model, pools.forecasts) : 0;
	if (!held) {
		put_churn(render, churn, &pools, boot_ns);
		return;
	}
	add_to(held, churn);
	if (boot_ns >= held->due_boot_ns || is_notable(churn, &pools))
		put_held(render, held, &pools, boot_ns);
}

/* Between intervals the pools are not known. */
static const struct pools no_pools;

void text_churn_advance(struct render *render, uint64_t now_boot_ns)
{
	for (size_t i = 0; render->held && i < HELD_NAMESPACES; i++) {
		struct held_churn *held = &render->held[i];

		if (held->is_pending && now_boot_ns >= held->due_boot_ns)
			put_held(render, held, &no_pools, now_boot_ns);
	}
}

void text_churn_end(struct render *render, uint64_t now_boot_ns)
{
	for (size_t i = 0; render->held && i < HELD_NAMESPACES; i++) {
		if (render->held[i].is_pending)
			put_held(render, &render->held[i], &no_pools, now_boot_ns);
	}
	free(render->held);
	render->held = NULL;
}
