/* SPDX-License-Identifier: GPL-2.0-only */
#include "render/text_now.h"

#include <string.h>

#include "render/format_number.h"
#include "render/names.h"
#include "render/text_conflict.h"
#include "render/text_words.h"

#define ENTRIES_SHOWN 8

static void put_entry(struct render *render, const struct port_report *report)
{
	/* A holder's protocol is shown where it differs from that of the call: here there is no call. */
	const struct wire_sock no_call = {0};
	const struct wire_hdr now = {.boot_ns = report->boot_ns};
	const struct report frame = {.event = &now, .sock = &no_call};
	struct text_line line = {};
	struct holder holder;

	holder_from_entry(&holder, report->entry, report->boot_ns);
	holder.process = report->process;
	if (report->interface)
		strncpy(holder.interface, report->interface, sizeof(holder.interface) - 1);
	text_holder(&line, &render->options, &holder, &frame);
	text_note(render, "now", &line);
	/* Once for all sockets of a program. */
	if (!holder.pid_count || holder.pids[0].pid != render->now.last_pid)
		text_put_program(render, &holder);
	render->now.last_pid = holder.pid_count ? holder.pids[0].pid : 0;
}

static void put_connections(struct render *render)
{
	const struct text_holders_now *now = &render->now;
	char text[NUMBER_SIZE];
	struct text_line line = {};
	uint64_t total = 0;

	for (size_t i = 0; i < NOW_STATES; i++)
		total += now->connections[i];
	if (!total)
		return;
	format_count(total, text);
	text_line_format(&line, "%s connection%s:", text, total == 1 ? "" : "s");
	for (size_t i = 0, shown = 0; i < NOW_STATES; i++) {
		const char *name = state_name((uint8_t)i, 0);

		if (!now->connections[i] || !name)
			continue;
		format_count(now->connections[i], text);
		text_line_format(&line, "%s %s %s", shown++ ? "," : "", text, name);
	}
	text_note(render, now->entries ? "" : "now", &line);
}

static void put_end(struct render *render)
{
	text_note_more(render, render->now.entries > ENTRIES_SHOWN ? render->now.entries - ENTRIES_SHOWN : 0);
	put_connections(render);
	if (render->now.is_empty)
		text_note_words(render, "now", "no socket has a watched port");
}

void text_now(struct render *render, const struct port_report *report)
{
	struct text_holders_now *now = &render->now;
	size_t time_width = render->time_width;

	if (render->options.quiet)
		return;
	/* These lines are not events: they start at the left. */
	render->time_width = 0;
	if (!report) {
		put_end(render);
	} else {
		const struct wire_sock *sock = &report->entry->sock;

		now->is_empty = false;
		if (sock->remote_port && sock->state < NOW_STATES)
			now->connections[sock->state]++;
		else if (now->entries++ < ENTRIES_SHOWN)
			put_entry(render, report);
	}
	render->time_width = time_width;
}
