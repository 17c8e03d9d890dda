/* SPDX-License-Identifier: GPL-2.0-only */
/* The text format: one line per event, failures explained below it, equal events folded. May change. */
#include "render/text.h"

#include <errno.h>
#include <stdlib.h>

#include "render/format_number.h"
#include "render/status_lines.h"
#include "render/text_churn.h"
#include "render/text_conflict.h"
#include "render/text_connect.h"
#include "render/text_fold.h"
#include "render/text_out.h"
#include "render/text_now.h"
#include "render/text_ports.h"
#include "render/text_row.h"
#include "render/text_why.h"

#define WIDE_ENOUGH 110 /* columns, for COMM and LOCAL to have columns as wide as most of their values */

static const size_t time_widths[] = {
	[TIME_WALL] = 14, [TIME_RELATIVE] = 12, [TIME_ISO] = 32, [TIME_NONE] = 0,
};

static struct render *text_open(const struct render_options *options)
{
	struct render *render = calloc(1, sizeof(*render));

	if (!render)
		return NULL;
	render->options = *options;
	render->time_width = time_widths[options->time];
	render->is_narrow = options->width > 0 && options->width < WIDE_ENOUGH;
	fold_init(&render->fold, text_folded, render);
	return render;
}

static void text_close(struct render *render)
{
	if (!render)
		return;
	text_ports_free(render);
	free(render->held);
	free(render);
}

static void text_start(struct render *render, const struct start_report *report)
{
	render->many_namespaces = report->netns_count > 1;
	if (render->options.quiet)
		return;
	status_lines_start(render->options.err, report, render->options.width);
	render->is_header_due = true;
	render->now.is_empty = true;
}

/* Below those who have the watched ports now. */
static void put_header_once(struct render *render)
{
	if (render->is_header_due)
		text_row_header(render);
	render->is_header_due = false;
}

static void put_event(struct render *render, const struct report *report)
{
	bool is_over = report->event->kind == WIRE_CLOSE || report->event->kind == WIRE_TIMEWAIT ||
		       report->event->kind == WIRE_RELEASE;
	struct text_line line = { .style = is_over ? STYLE_FAINT : STYLE_PLAIN };

	text_begin(render, &line, report->event->boot_ns);
	text_row(render, report, &line);
	text_write(render, &line);
}

static void text_event(struct render *render, const struct report *report)
{
	if (!report->sock || !wire_kind_name(report->event->kind) ||
	    !fold_admit(&render->fold, report))
		return;
	put_header_once(render);
	put_event(render, report);
	if (report->conflict)
		text_conflict(render, report);
}

static void text_lost(struct render *render, uint64_t count, const char *reason, uint64_t boot_ns)
{
	struct text_line line = { .style = STYLE_WARNING };
	char text[NUMBER_SIZE];

	text_begin(render, &line, boot_ns);
	format_count(count, text);
	text_line_format(&line, "lost     %s event%s", text, count == 1 ? "" : "s");
	if (reason && *reason)
		text_line_format(&line, ": %s", reason);
	text_write(render, &line);
}

static void text_stop(struct render *render, const struct stop_report *report)
{
	fold_end(&render->fold, report->boot_ns);
	text_churn_end(render, report->boot_ns);
	/* stdout and stderr may be the same file: the totals come last. */
	fflush(render->options.out);
	if (render->options.quiet && report->lost == 0)
		return;
	status_lines_stop(render->options.err, report);
}

static int text_flush(struct render *render, uint64_t now_boot_ns)
{
	put_header_once(render);
	fold_advance(&render->fold, now_boot_ns);
	text_churn_advance(render, now_boot_ns);
	text_ports_write(render);
	if (fflush(render->options.out) && !render->error)
		render->error = errno ? -errno : -EIO;
	return render->error;
}

const struct renderer render_text = {
	.name = "text",
	.is_selective = true,
	.open = text_open,
	.start = text_start,
	.event = text_event,
	.port = text_port,
	.timewaits = text_timewaits,
	.now = text_now,
	.churn = text_churn,
	.warning = text_warning,
	.why = text_why,
	.connect = text_connect,
	.lost = text_lost,
	.stop = text_stop,
	.flush = text_flush,
	.close = text_close,
};
