/* SPDX-License-Identifier: GPL-2.0-only */
/* A network namespace: its range, the servers on ports of the range as a table of `ls`, and what to type. */
#include "render/text_audit.h"

#include <string.h>

#include "render/text_out.h"
#include "render/text_ports.h"
#include "render/text_words.h"

#define RESERVED_SHOWN 40 /* columns of the list of ports */

static void put_head(struct render *render, const struct audit_report *report)
{
	struct text_line line = {}, reserved = {};

	text_line_add(&line, "netns ");
	text_netns(&line, &render->options, report->netns);
	text_line_cut(&line, render->options.width ? render->options.width / 2 : 0);
	text_line_format(&line, ": ephemeral range %u to %u", report->range_low, report->range_high);
	text_write(render, &line);
	text_line_add(&reserved, *report->reserved ? report->reserved : "none");
	text_line_cut(&reserved, render->options.width ? RESERVED_SHOWN : 0);
	text_line_add(&line, "reserved: ");
	text_line_append(&line, &reserved);
	text_write(render, &line);
}

static void put_table(struct render *render, const char *title, const struct port_report *servers, size_t count)
{
	struct text_line line = {};

	if (!count)
		return;
	text_line_add(&line, title);
	text_write(render, &line);
	for (size_t i = 0; i < count; i++)
		text_port(render, &servers[i]);
	text_ports_write(render);
	text_ports_free(render); /* the next table has other columns */
}

/* The command is as long as the list of ports: it is not cut, and nothing in it needs to be escaped. */
static void put_command(struct render *render, const struct audit_report *report)
{
	struct text_line line = {};

	if (!report->wanted) {
		text_line_add(&line, "Every server in the range has a reserved port.");
		text_write(render, &line);
		return;
	}
	if (!report->enter) {
		text_line_add(&line, "In this namespace, which no command can enter, set:");
		text_write(render, &line);
	}
	fputs(report->enter ? "do  " : "    ", render->options.out);
	fprintf(render->options.out, RESERVE_COMMAND "\n", report->enter ? report->enter : "", report->wanted);
}

void text_audit(struct render *render, const struct audit_report *report)
{
	if (!report->count && !*report->reserved && report->netns != render->options.own_netns)
		return;
	put_head(render, report);
	if (!report->count) {
		struct text_line line = {};

		text_line_add(&line, "No server uses a port of the range.");
		text_write(render, &line);
		return;
	}
	put_table(render, "Servers on ports that are not reserved: while one is down, a connection may get its port.",
		  report->servers, report->unreserved);
	put_table(render, "Servers on reserved ports:", report->servers + report->unreserved,
		  report->count - report->unreserved);
	put_command(render, report);
}
