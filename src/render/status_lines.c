/* SPDX-License-Identifier: GPL-2.0-only */
/* The first line and the totals of a run, on stderr. */
#include "render/status_lines.h"

#include <stdlib.h>
#include <string.h>

#include "render/format_number.h"
#include "render/text_line.h"

#define DIGITS "0123456789"

/* "6.18" of "6.18.44-fc-v657" */
static int release_length(const char *kernel)
{
	size_t major = strspn(kernel, DIGITS), minor = 0;

	if (major && kernel[major] == '.')
		minor = strspn(kernel + major + 1, DIGITS);
	return (int)(minor ? major + 1 + minor : strlen(kernel));
}

/* The hint gives way first, then the end of what is watched. */
void status_lines_start(FILE *err, const struct start_report *report, size_t width)
{
	const char *watching = report->watching ? report->watching : "";
	struct text_line start = {}, what = {}, end = {};

	text_line_format(&start, "porttrace %s · Linux %.*s · probes %s", report->version,
			 release_length(report->kernel), report->kernel, report->probes);
	if (*watching) {
		text_line_add(&what, " · watching ");
		text_line_bytes(&what, watching, strlen(watching));
	}
	if (report->hint && *report->hint)
		text_line_format(&end, " · %s", report->hint);
	if (width && start.columns + what.columns + end.columns > width)
		text_line_reset(&end);
	if (width && start.columns + what.columns > width)
		text_line_cut(&what, width > start.columns + 1 ? width - start.columns : 1);
	text_line_append(&start, &what);
	text_line_append(&start, &end);
	text_line_write(&start, err, 0, false);
	if (!report->missing || !report->missing[0])
		return;
	fputs("not available with these probes:", err);
	for (const char *const *fact = report->missing; *fact; fact++)
		fprintf(err, " %s", *fact);
	fputs(" (see 'porttrace doctor')\n", err);
}

void status_lines_stop(FILE *err, const struct stop_report *report)
{
	char events[NUMBER_SIZE], lost[NUMBER_SIZE];

	format_count(report->events, events);
	format_count(report->lost, lost);
	fprintf(err, "%s event%s, %s lost\n", events, report->events == 1 ? "" : "s", lost);
	if (!report->unpredicted)
		return;
	format_count(report->unpredicted, events);
	fprintf(err, "%s failure%s that no known kernel rule explains\n", events,
		report->unpredicted == 1 ? "" : "s");
}

struct render {
	struct render_options options;
};

static struct render *status_lines_open(const struct render_options *options)
{
	struct render *render = calloc(1, sizeof(*render));

	if (render)
		render->options = *options;
	return render;
}

static void start(struct render *render, const struct start_report *report)
{
	if (!render->options.quiet)
		status_lines_start(render->options.err, report, render->options.width);
}

static void stop(struct render *render, const struct stop_report *report)
{
	if (!render->options.quiet || report->lost)
		status_lines_stop(render->options.err, report);
}

static void no_event(struct render *render, const struct report *report)
{
	(void)render;
	(void)report;
}

static void no_port(struct render *render, const struct port_report *report)
{
	(void)render;
	(void)report;
}

static void no_churn(struct render *render, const struct churn *churn, struct model *model,
		     uint64_t boot_ns)
{
	(void)render;
	(void)churn;
	(void)model;
	(void)boot_ns;
}

static void no_lost(struct render *render, uint64_t count, const char *reason, uint64_t boot_ns)
{
	(void)render;
	(void)count;
	(void)reason;
	(void)boot_ns;
}

static int no_flush(struct render *render, uint64_t now_boot_ns)
{
	(void)render;
	(void)now_boot_ns;
	return 0;
}

static void status_lines_close(struct render *render)
{
	free(render);
}

const struct renderer render_status_lines = {
	.name = "status-lines",
	.open = status_lines_open,
	.start = start,
	.event = no_event,
	.port = no_port,
	.churn = no_churn,
	.lost = no_lost,
	.stop = stop,
	.flush = no_flush,
	.close = status_lines_close,
};
