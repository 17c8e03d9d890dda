/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The JSON format: one object per line. Scripts depend on it: fields are added, never changed. See
 * docs/json-schema.md.
 */
#include "render/json.h"

#include <stdlib.h>
#include <string.h>

#include "render/fields.h"
#include "render/json_churn.h"
#include "render/json_conflict.h"
#include "render/json_connect.h"
#include "render/json_out.h"
#include "render/json_why.h"

static struct render *json_open(const struct render_options *options)
{
	struct render *render = calloc(1, sizeof(*render));

	if (!render)
		return NULL;
	render->options = *options;
	render->line = json_line_new(options->out);
	if (!render->line) {
		free(render);
		return NULL;
	}
	return render;
}

static void json_close(struct render *render)
{
	if (!render)
		return;
	json_line_free(render->line);
	free(render);
}

static void json_event(struct render *render, const struct report *report)
{
	const char *name = wire_kind_name(report->event->kind);

	if (!report->sock || !name)
		return;
	json_begin_event(render, report->event->boot_ns, name);
	json_fields(render, report, FIELD_OF_EVENT);
	if (report->conflict) {
		JSON_KEY(render->line, "conflict");
		json_open_map(render->line);
		json_conflict(render, report->conflict);
		json_close_map(render->line);
	}
	json_line_end(render->line);
}

static void put_descriptor(struct render *render, const struct port_fd *fd, const struct process_table *processes)
{
	json_open_map(render->line);
	json_process(render, &fd->task, processes);
	if (fd->fd >= 0)
		json_put_number(render->line, "fd", (uint64_t)fd->fd);
	json_close_map(render->line);
}

static void put_descriptors(struct render *render, const struct port_report *port)
{
	const struct port_entry *entry = port->entry;
	const struct port_fd owner = {.task = entry->owner, .fd = -1};

	if (!entry->fds && entry->owner.pid == 0)
		return;
	JSON_KEY(render->line, "pids");
	json_open_list(render->line);
	for (const struct port_fd *fd = entry->fds; fd; fd = fd->next)
		put_descriptor(render, fd, port->processes);
	if (!entry->fds)
		put_descriptor(render, &owner, port->processes);
	json_close_list(render->line);
}

static void json_port(struct render *render, const struct port_report *port)
{
	uint64_t now = port->boot_ns ? port->boot_ns : render->start_boot_ns;
	struct socket_report socket;

	socket_report_init(&socket, port, now);
	json_begin_event(render, now, "socket");
	json_fields(render, &socket.report, FIELD_OF_PORT);
	put_descriptors(render, port);
	json_line_end(render->line);
}

/* The list of ports has no limit that a buffer could have. */
static void put_audit_command(struct json_line *line, const struct audit_report *report)
{
	char *command;

	if (!report->wanted || !report->enter ||
	    asprintf(&command, RESERVE_COMMAND, report->enter, report->wanted) < 0)
		return;
	json_put_text(line, "command", command);
	free(command);
}

static void json_audit(struct render *render, const struct audit_report *report)
{
	const char *name = render->options.netns_name ? render->options.netns_name(report->netns) : NULL;
	struct json_line *line = render->line;

	for (size_t i = 0; i < report->count; i++)
		json_port(render, &report->servers[i]);
	json_begin_event(render, report->boot_ns, "audit");
	json_put_number(line, "netns", report->netns);
	json_put_text(line, "netns_name", name);
	json_put_range(line, report->range_low, report->range_high);
	json_put_text(line, "reserved", report->reserved);
	JSON_KEY(line, "unreserved");
	json_open_list(line);
	for (size_t i = 0; i < report->unreserved; i++) {
		uint16_t port = report->servers[i].entry->sock.local_port;

		if (!i || port != report->servers[i - 1].entry->sock.local_port)
			json_number(line, port);
	}
	json_close_list(line);
	json_put_text(line, "value", report->wanted);
	put_audit_command(line, report);
	json_line_end(line);
}

static void json_now(struct render *render, const struct port_report *report)
{
	if (report)
		json_port(render, report);
}

static void json_start(struct render *render, const struct start_report *report)
{
	struct json_line *line = render->line;

	render->start_boot_ns = report->boot_ns;
	json_begin_event(render, report->boot_ns, "start");
	json_put_text(line, "version", report->version);
	json_put_text(line, "kernel", report->kernel);
	json_put_text(line, "probes", report->probes);
	if (report->missing) {
		JSON_KEY(line, "missing");
		json_open_list(line);
		for (const char *const *fact = report->missing; *fact; fact++)
			json_text(line, *fact);
		json_close_list(line);
	}
	json_put_number(line, "sockets", report->sockets);
	json_put_number(line, "netns_count", report->netns_count);
	json_line_end(line);
}

static void json_stop(struct render *render, const struct stop_report *report)
{
	json_begin_event(render, report->boot_ns, "stop");
	json_put_number(render->line, "events", report->events);
	json_put_number(render->line, "lost", report->lost);
	if (report->unpredicted)
		json_put_number(render->line, "unpredicted", report->unpredicted);
	json_line_end(render->line);
}

static void json_lost(struct render *render, uint64_t count, const char *reason, uint64_t boot_ns)
{
	json_begin_event(render, boot_ns, "lost");
	json_put_number(render->line, "count", count);
	json_put_text(render->line, "reason", reason);
	json_line_end(render->line);
}

static int json_flush(struct render *render, uint64_t now_boot_ns)
{
	(void)now_boot_ns;
	return json_line_flush(render->line);
}

const struct renderer render_json = {
	.name = "json",
	.open = json_open,
	.start = json_start,
	.event = json_event,
	.port = json_port,
	.now = json_now,
	.pools = json_pools,
	.audit = json_audit,
	.churn = json_churn,
	.warning = json_warning,
	.why = json_why,
	.connect = json_connect,
	.lost = json_lost,
	.stop = json_stop,
	.flush = json_flush,
	.close = json_close,
};
