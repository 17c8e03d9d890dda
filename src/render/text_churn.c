/* SPDX-License-Identifier: GPL-2.0-only */
/* TIME_WAITs and ephemeral ports of a network namespace in one interval: a line each. */
#include "render/text_churn.h"

#include "render/format_number.h"
#include "render/text_words.h"
#include "util/address.h"

#define NEAR_LIMIT_PERCENT 80

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
	if (render->many_namespaces || render->options.verbose)
		text_line_format(line, "  netns %u", netns);
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

static void put_timewait(struct render *render, const struct churn *churn, uint64_t boot_ns)
{
	uint64_t left = churn->timewait_expired + churn->timewait_reused + churn->timewait_killed;
	const struct churn_top *top = top_timewait(churn);
	char address[ADDRESS_PORT_SIZE];
	struct text_line line = {};

	if (churn->timewait_entered + left + churn->timewait_overflowed == 0)
		return;
	text_begin(render, &line, boot_ns);
	text_line_add(&line, "time-wait");
	add_count(&line, churn->timewait_live, "live");
	add_rate(&line, "+", churn->timewait_entered, churn->interval_s);
	add_rate(&line, "-", left, churn->interval_s);
	add_count(&line, churn->timewait_reused, "reused");
	if (churn->timewait_killed)
		add_count(&line, churn->timewait_killed, "killed");
	if (churn->timewait_overflowed) {
		add_count(&line, churn->timewait_overflowed, "dropped (tcp_max_tw_buckets)");
		line.style = STYLE_WARNING;
	}
	if (top && top->task.pid && churn->timewait_entered) {
		text_line_format(&line, "   %u %% ",
				 percent_of(top->timewait, churn->timewait_entered));
		text_who(&line, top->task.comm, top->task.pid);
		if (top->remote_port) {
			address_format_port(top->remote_addr, top->remote_port, address);
			text_line_format(&line, " -> %s", address);
		}
	}
	add_namespace(render, &line, churn->netns);
	text_write(render, &line);
}

/* The pool that fills first, else the fullest. One port can serve several destinations, so each has a pool. */
static void add_fill(struct text_line *line, const struct churn *churn, struct model *model)
{
	struct forecast forecasts[FORECAST_POOLS_MAX], *worst = NULL;
	size_t count = model ? forecast_list(churn, model, forecasts) : 0;
	char text[ADDRESS_PORT_SIZE];
	unsigned int percent;

	for (size_t i = 0; i < count && !worst; i++) {
		if (forecasts[i].pool->now.remote_port || forecasts[i].towards.allocated)
			worst = &forecasts[i];
	}
	if (!worst)
		return;
	percent = percent_of(worst->pool->now.in_use, worst->pool->now.capacity);
	if (percent >= NEAR_LIMIT_PERCENT && !worst->reuses)
		line->style = STYLE_WARNING;
	format_count(worst->pool->now.capacity, text);
	text_line_format(line, "  %u %% of %s", percent, text);
	if (worst->pool->now.remote_port) {
		address_format_port(worst->pool->now.remote_addr, worst->pool->now.remote_port, text);
		text_line_format(line, " to %s", text);
	}
	if (worst->will_fill && !worst->full_in_ns) {
		text_line_add(line, "  full");
	} else if (worst->will_fill) {
		format_duration(worst->full_in_ns, text);
		text_line_format(line, "  full in %s at this rate", text);
	}
}

static void put_ephemeral(struct render *render, const struct churn *churn, struct model *model,
			  uint64_t boot_ns)
{
	struct text_line line = {};

	if (churn->ephemeral_allocated + churn->ephemeral_released + churn->ephemeral_failed == 0)
		return;
	text_begin(render, &line, boot_ns);
	text_line_add(&line, "ephemeral");
	add_rate(&line, "", churn->ephemeral_allocated, churn->interval_s);
	text_line_add(&line, " taken");
	add_fill(&line, churn, model);
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
	text_write_whole(render, &line);
	text_note_words(render, "why", warning->why);
	text_note_words(render, "do", warning->fix);
}

void text_churn(struct render *render, const struct churn *churn, struct model *model,
		uint64_t boot_ns)
{
	put_timewait(render, churn, boot_ns);
	put_ephemeral(render, churn, model, boot_ns);
}
