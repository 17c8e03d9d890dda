/* SPDX-License-Identifier: GPL-2.0-only */
/* The text format: a line an event, what explains a failure under it, storms folded. For people;
 * it may change. */
#include "render/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "render/format_number.h"
#include "render/names.h"
#include "render/status_lines.h"
#include "render/text_churn.h"
#include "render/text_conflict.h"
#include "render/text_out.h"
#include "render/text_ports.h"
#include "render/text_why.h"
#include "render/text_words.h"
#include "util/address.h"
#include "util/errno_name.h"

#define WIDE_ENOUGH	110	   /* columns, for DETAIL to be a column of its own */
#define LONG_SEARCH_NS	1000000ULL /* a port search that is worth a word */

static void set_columns(struct text_columns *columns, const struct render_options *options)
{
	static const size_t time_widths[] = {
		[TIME_WALL] = 14, [TIME_RELATIVE] = 12, [TIME_ISO] = 32, [TIME_NONE] = 0,
	};
	size_t address = 22, pid = 8, comm = 16;

	columns->narrow = options->width > 0 && options->width < WIDE_ENOUGH;
	if (columns->narrow) {
		address = 19;
		pid = 5;
		comm = 8;
	}
	columns->event = time_widths[options->time];
	columns->protocol = columns->event + 9;
	columns->local = columns->protocol + 6;
	columns->remote = columns->local + address;
	columns->pid = columns->remote + address;
	columns->comm = columns->pid + pid;
	columns->detail = columns->comm + comm;
}

/* What a folded storm is called: "1,203 more connect by curl[4242] to 127.0.0.1:80 in 1.0 s" */
static void put_folded(void *context, const struct fold_entry *entry, uint64_t end_boot_ns)
{
	struct render *render = context;
	const struct fold_key *key = &entry->key;
	char text[ADDRESS_PORT_SIZE], name[ERRNO_NAME_SIZE];
	struct text_line line = {};

	text_begin(render, &line, end_boot_ns);
	format_count(entry->count - FOLD_PASS, text);
	text_line_format(&line, "... %s more %s", text, wire_kind_name(key->event));
	if (key->local_port && !key->remote_port) {
		address_format_port(key->local_addr, key->local_port, text);
		text_line_format(&line, " of %s", text);
	}
	if (key->pid) {
		text_line_add(&line, " by ");
		text_who(&line, entry->comm, key->pid);
	}
	if (key->remote_port) {
		address_format_port(key->remote_addr, key->remote_port, text);
		text_line_format(&line, " to %s", text);
	}
	format_duration(end_boot_ns - entry->start_boot_ns, text);
	text_line_format(&line, " in %s", text);
	if (key->error) {
		text_line_add(&line, ": ");
		text_line_mark(&line, STYLE_FAILED, errno_name(key->error, name));
	}
	text_write_whole(render, &line);
}

static struct render *text_open(const struct render_options *options)
{
	struct render *render = calloc(1, sizeof(*render));

	if (!render)
		return NULL;
	render->options = *options;
	set_columns(&render->columns, options);
	fold_init(&render->fold, put_folded, render);
	return render;
}

static void text_close(struct render *render)
{
	if (!render)
		return;
	text_ports_free(render);
	free(render);
}

static void put_header(struct render *render)
{
	const struct text_columns *columns = &render->columns;
	struct text_line line = {};

	if (render->options.time != TIME_NONE)
		text_line_add(&line, "TIME");
	text_line_column(&line, columns->event);
	text_line_add(&line, "EVENT");
	text_line_column(&line, columns->protocol);
	text_line_add(&line, "PROTO");
	text_line_column(&line, columns->local);
	text_line_add(&line, "LOCAL");
	text_line_column(&line, columns->remote);
	text_line_add(&line, columns->narrow ? "REMOTE/DETAIL" : "REMOTE");
	text_line_column(&line, columns->pid);
	text_line_add(&line, "PID");
	text_line_column(&line, columns->comm);
	text_line_add(&line, "COMM");
	if (!columns->narrow) {
		text_line_column(&line, columns->detail);
		text_line_add(&line, "DETAIL");
	}
	text_write(render, &line);
}

static void text_start(struct render *render, const struct start_report *report)
{
	render->many_namespaces = report->netns_count > 1;
	if (render->options.quiet)
		return;
	status_lines_start(render->options.err, report);
	put_header(render);
}

static void add_duration(struct text_line *line, const char *before, uint64_t ns)
{
	char text[NUMBER_SIZE];

	format_duration(ns, text);
	text_item(line);
	text_line_format(line, "%s %s", before, text);
}

/* What the kind alone knows. */
static void add_kind_detail(struct text_line *line, const struct report *report)
{
	const struct wire_hdr *event = report->event;
	const struct wire_close *close = (const struct wire_close *)event;
	const struct wire_bind *bind = (const struct wire_bind *)event;
	const struct wire_timewait *timewait = (const struct wire_timewait *)event;
	const char *action;
	char name[ERRNO_NAME_SIZE];

	switch ((enum wire_kind)event->kind) {
	case WIRE_BIND:
		if (report->sock->flags & WIRE_PORT_EPHEMERAL && report->sock->local_port)
			text_line_add(line, "ephemeral");
		if (bind->how == WIRE_BIND_IMPLICIT) {
			text_item(line);
			text_line_add(line, "implicit");
		}
		text_options(line, report->sock);
		if (bind->duration_ns >= LONG_SEARCH_NS)
			add_duration(line, "search", bind->duration_ns);
		break;
	case WIRE_LISTEN:
		text_line_format(line, "backlog %u", ((const struct wire_listen *)event)->backlog);
		break;
	case WIRE_CONNECT:
		if (((const struct wire_connect *)event)->duration_ns >= LONG_SEARCH_NS)
			add_duration(line, "search",
				     ((const struct wire_connect *)event)->duration_ns);
		break;
	case WIRE_CLOSE:
		if (close->error)
			text_line_add(line, errno_name(close->error, name));
		if (close->life_ns)
			add_duration(line, "after", close->life_ns);
		if (close->next_state == WIRE_TCP_TIME_WAIT) {
			text_item(line);
			text_line_add(line, "TIME_WAIT");
		}
		break;
	case WIRE_TIMEWAIT:
		action = timewait_action_name(timewait->action);
		text_line_add(line, action ? action : "");
		if (timewait->substate == WIRE_TCP_FIN_WAIT2)
			text_line_add(line, " in FIN_WAIT2");
		break;
	case WIRE_ACCEPT:
	case WIRE_RELEASE:
	case WIRE_SOCKET:
	case WIRE_PROCESS:
	case WIRE_NETNS:
	case WIRE_TRAFFIC:
	case WIRE_LOST:
	case WIRE_INTERFACE:
	case WIRE_POOL:
	case WIRE_MISUSE:
	case WIRE_SEARCH:
		break;
	}
}

static void add_detail(struct text_line *line, struct render *render, const struct report *report)
{
	const struct process *process = report->process;
	struct text_line kind = {};

	add_kind_detail(&kind, report);
	if (kind.length > 0) {
		text_item(line);
		text_line_append(line, &kind);
	}
	text_interface(line, report->interface);
	if (!render->options.verbose)
		return;
	text_place(line, process);
	text_item(line);
	text_line_format(line, "netns %u", report->sock->netns);
	if (process && process->cmdline[0]) {
		text_item(line);
		text_line_bytes(line, process->cmdline, strlen(process->cmdline));
	}
}

static void add_process(struct text_line *line, const struct render *render,
			const struct report *report)
{
	bool is_known = report->task && report->task->pid;

	text_line_column(line, render->columns.pid);
	if (is_known)
		text_line_format(line, "%" PRIu32, report->task->pid);
	else
		text_line_add(line, "-");
	text_line_column(line, render->columns.comm);
	if (is_known)
		text_line_bytes(line, report->task->comm,
				strnlen(report->task->comm, sizeof(report->task->comm)));
	else
		text_line_add(line, report->sock->flags & WIRE_KERNEL_OWNED ? "[kernel]" : "-");
}

static void add_address(struct text_line *line, const uint8_t address[16], uint16_t port)
{
	char text[ADDRESS_PORT_SIZE];

	address_format_port(address, port, text);
	text_line_add(line, text);
}

static void put_event(struct render *render, const struct report *report, uint32_t error)
{
	const struct text_columns *columns = &render->columns;
	const struct wire_sock *sk = report->sock;
	bool is_over = report->event->kind == WIRE_CLOSE || report->event->kind == WIRE_TIMEWAIT ||
		       report->event->kind == WIRE_RELEASE;
	char protocol[PROTOCOL_NAME_SIZE], name[ERRNO_NAME_SIZE];
	struct text_line line = { .style = is_over ? STYLE_FAINT : STYLE_PLAIN };
	struct text_line detail = {};

	/* The errno takes the place of a peer; where there is one, it comes first in DETAIL. */
	if (error && sk->remote_port)
		text_line_mark(&detail, STYLE_FAILED, errno_name(error, name));
	add_detail(&detail, render, report);

	text_begin(render, &line, report->event->boot_ns);
	text_line_add(&line, wire_kind_name(report->event->kind));
	text_line_column(&line, columns->protocol);
	text_line_add(&line, protocol_name(sk->protocol, protocol));
	text_line_column(&line, columns->local);
	add_address(&line, sk->local_addr, sk->local_port);
	if (sk->remote_port || error || columns->narrow)
		text_line_column(&line, columns->remote);
	if (sk->remote_port) {
		add_address(&line, sk->remote_addr, sk->remote_port);
	} else if (error) {
		text_line_mark(&line, STYLE_FAILED, errno_name(error, name));
	} else if (columns->narrow) {
		text_line_append(&line, &detail);
		memset(&detail, 0, sizeof(detail));
	}
	add_process(&line, render, report);
	if (detail.length > 0) {
		text_line_column(&line, columns->detail);
		text_line_append(&line, &detail);
	}
	if (error)
		text_write_whole(render, &line);
	else
		text_write(render, &line);
}

static void text_event(struct render *render, const struct report *report)
{
	if (!report->sock || !wire_kind_name(report->event->kind) ||
	    !fold_admit(&render->fold, report))
		return;
	put_event(render, report, wire_error_of(report->event));
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
	text_write_whole(render, &line);
}

static void text_stop(struct render *render, const struct stop_report *report)
{
	fold_end(&render->fold, report->boot_ns);
	/* The totals come after the last line, also where both end up in one place. */
	fflush(render->options.out);
	if (render->options.quiet && report->lost == 0)
		return;
	status_lines_stop(render->options.err, report);
}

static int text_flush(struct render *render, uint64_t now_boot_ns)
{
	fold_advance(&render->fold, now_boot_ns);
	text_ports_write(render);
	if (fflush(render->options.out) && !render->error)
		render->error = errno ? -errno : -EIO;
	return render->error;
}

const struct renderer render_text = {
	.name = "text",
	.open = text_open,
	.start = text_start,
	.event = text_event,
	.port = text_port,
	.churn = text_churn,
	.warning = text_warning,
	.why = text_why,
	.lost = text_lost,
	.stop = text_stop,
	.flush = text_flush,
	.close = text_close,
};
