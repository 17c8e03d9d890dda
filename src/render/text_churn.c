/* SPDX-License-Identifier: GPL-2.0-only */
/* What TIME_WAIT and the ephemeral ports of a namespace did in the last interval, in two lines. */
#include "render/text.h"

#include <string.h>

#include "render/humane.h"
#include "util/address.h"

#define NEAR_LIMIT_PERCENT 80

static unsigned int percent_of(uint64_t part, uint64_t whole)
{
	if (part >= whole)
		return whole == 0 ? 0 : 100;
	return (unsigned int)(100.0 * (double)part / (double)whole);
}

/* Fields of these lines are two spaces apart: they have no columns. */
static void add_count(struct text_line *line, uint64_t count, const char *unit)
{
	char text[HUMANE_SIZE];

	humane_count(count, text);
	text_line_format(line, "  %s %s", text, unit);
}

static void add_rate(struct text_line *line, const char *sign, uint64_t count, double seconds)
{
	char text[HUMANE_SIZE];

	humane_rate(count, seconds, text);
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
		add_count(&line, churn->timewait_overflowed, "did not fit");
		line.style = STYLE_WARNING;
	}
	if (top && top->task.pid) {
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

/* A port serves several destinations at once, so what counts is how many of the range are taken
 * towards the one that takes most. */
static uint64_t count_towards(const struct churn *churn, const struct churn_top *top,
			      struct model *model)
{
	const struct port_table *table = model_ports(model);
	const struct port_entry *entry = NULL;
	uint64_t count = 0;

	while ((entry = port_table_next(table, entry))) {
		const struct wire_sock *sk = &entry->sock;

		count += sk->netns == churn->netns && sk->remote_port == top->remote_port &&
			 sk->local_port >= churn->range_low &&
			 sk->local_port <= churn->range_high &&
			 !memcmp(sk->remote_addr, top->remote_addr, sizeof(top->remote_addr));
	}
	return count;
}

/* At the rate of this interval, of which the destination has its share; 0: it is not filling up. */
static uint64_t full_in_ns(const struct churn *churn, uint64_t free, uint64_t share)
{
	double net = (double)churn->ephemeral_allocated - (double)churn->ephemeral_released;
	double rate;

	if (net <= 0 || churn->interval_s <= 0 || churn->ephemeral_allocated == 0)
		return 0;
	rate = net / churn->interval_s * (double)share / (double)churn->ephemeral_allocated;
	return rate > 0 ? (uint64_t)((double)free / rate * 1e9) : 0;
}

static void add_fill(struct text_line *line, const struct churn *churn, struct model *model)
{
	const struct churn_top *top = churn->top_count > 0 ? &churn->top[0] : NULL;
	bool towards = top && top->remote_port && model;
	uint64_t size, used, share, full_ns;
	char text[ADDRESS_PORT_SIZE];
	unsigned int percent;

	if (!churn->in_use_known || churn->range_high == 0 || churn->range_low > churn->range_high)
		return;
	size = churn->range_high - churn->range_low + 1ULL;
	used = towards ? count_towards(churn, top, model) : churn->ephemeral_in_use;
	share = towards ? top->allocated : churn->ephemeral_allocated;
	percent = percent_of(used, size);
	if (percent >= NEAR_LIMIT_PERCENT)
		line->style = STYLE_WARNING;
	humane_count(size, text);
	text_line_format(line, "  %u %% of %s", percent, text);
	if (towards) {
		address_format_port(top->remote_addr, top->remote_port, text);
		text_line_format(line, " to %s", text);
	}
	full_ns = full_in_ns(churn, used < size ? size - used : 0, share);
	if (used >= size) {
		text_line_add(line, "  full");
	} else if (full_ns) {
		humane_duration(full_ns, text);
		text_line_format(line, "  full in %s at this rate", text);
	}
}

static void put_ephemeral(struct render *render, const struct churn *churn, struct model *model,
			  uint64_t boot_ns)
{
	struct text_line line = {};
	char text[HUMANE_SIZE];

	if (churn->ephemeral_allocated + churn->ephemeral_released + churn->ephemeral_failed == 0)
		return;
	text_begin(render, &line, boot_ns);
	text_line_add(&line, "ephemeral");
	add_rate(&line, "", churn->ephemeral_allocated, churn->interval_s);
	text_line_add(&line, " taken");
	add_fill(&line, churn, model);
	if (churn->ephemeral_failed) {
		humane_count(churn->ephemeral_failed, text);
		text_line_add(&line, "  ");
		text_line_mark(&line, STYLE_FAILED, text);
		text_line_add(&line, " failed");
		line.mark_end = line.length;
	}
	add_namespace(render, &line, churn->netns);
	text_write(render, &line);
}

void text_churn(struct render *render, const struct churn *churn, struct model *model,
		uint64_t boot_ns)
{
	put_timewait(render, churn, boot_ns);
	put_ephemeral(render, churn, model, boot_ns);
}
