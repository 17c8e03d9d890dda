/* SPDX-License-Identifier: GPL-2.0-only */
/* The columns of text whose cells are more than one value. */
#include "render/text_cells.h"

#include <inttypes.h>
#include <string.h>

#include "diagnose/group.h"
#include "render/format_number.h"
#include "render/names.h"
#include "render/text_words.h"
#include "util/address.h"
#include "util/protocol.h"

#define LONG_SEARCH_NS 1000000ULL /* a port search that took at least this long is shown */
#define USER_COLUMNS   8	  /* on a terminal: the longer name of a system user is cut */
#define PIDS_SEEN      32	  /* processes of one socket that are distinguished when counting */

void text_cell_local(struct text_line *line, const struct report *report, const struct render_options *options)
{
	const struct wire_sock *sk = report->sock;
	char text[ADDRESS_PORT_SIZE];

	(void)options;
	address_format_bound(sk->local_addr, sk->local_port, sk->flags & WIRE_V6ONLY, text);
	text_line_add(line, text);
}

void text_cell_remote(struct text_line *line, const struct report *report, const struct render_options *options)
{
	char text[ADDRESS_PORT_SIZE];

	(void)options;
	if (!report->sock->remote_port)
		return;
	address_format_port(report->sock->remote_addr, report->sock->remote_port, text);
	text_line_add(line, text);
}

/* Counts the processes besides the first that have the socket open; beyond PIDS_SEEN, a process may count twice. */
static size_t count_others(const struct report *report)
{
	const struct port_fd *fd = report->entry->fds;
	uint32_t seen[PIDS_SEEN];
	size_t count = 0, total = 0;

	if (report->port->group && report->port->group->processes)
		return report->port->group->processes - 1;
	for (; fd; fd = fd->next) {
		size_t i = 0;

		while (i < count && seen[i] != fd->task.pid)
			i++;
		if (i < count)
			continue;
		if (count < PIDS_SEEN)
			seen[count++] = fd->task.pid;
		total++;
	}
	return total > 0 ? total - 1 : 0;
}

/* A connection that no process has had: it waits for accept(). */
static bool is_in_queue(const struct port_entry *entry)
{
	const struct wire_sock *sk = &entry->sock;

	return !entry->fds && !entry->owner.pid && !(sk->flags & (WIRE_KERNEL_OWNED | WIRE_ORPHAN)) &&
	       !(sk->unknown & WIRE_UNKNOWN_PROCESS) &&
	       (sk->protocol == IPPROTO_TCP || sk->protocol == IPPROTO_MPTCP) &&
	       (sk->state == WIRE_TCP_ESTABLISHED || sk->state == WIRE_TCP_CLOSE_WAIT);
}

void text_cell_queue(struct text_line *line, const struct report *report, const struct render_options *options)
{
	const struct port_entry *entry = report->entry;
	const struct port_group *group = report->port->group;
	uint64_t queue = group ? group->queue : entry->queue, limit = group ? group->limit : entry->backlog;

	(void)options;
	if (entry->sock.state == WIRE_TCP_LISTEN || (protocol_is_udp(entry->sock.protocol) && queue))
		text_line_format(line, "%" PRIu64 "/%" PRIu64, queue, limit);
}

void text_cell_comm(struct text_line *line, const struct report *report, const struct render_options *options)
{
	const struct wire_task *task = report->task;
	size_t others = report->entry ? count_others(report) : 0;

	if (task && task->pid)
		text_comm(line, task->comm, options->width > 0);
	else if (report->entry && is_in_queue(report->entry))
		text_line_add(line, "not accepted yet");
	else
		text_line_add(line, report->sock->flags & WIRE_KERNEL_OWNED ? "[kernel]" : "-");
	if (others > 0)
		text_line_format(line, " +%zu", others);
}

void text_cell_netns(struct text_line *line, const struct report *report, const struct render_options *options)
{
	text_netns(line, options, report->sock->netns);
}

/* Whose the process is, or the socket where there is none. */
void text_cell_user(struct text_line *line, const struct report *report, const struct render_options *options)
{
	const struct wire_task socket = {.uid = report->sock->uid};
	bool is_known = report->task && report->task->pid;

	text_user(line, "", is_known ? report->task : &socket, is_known ? report->process : NULL);
	text_line_cut(line, options->width > 0 ? USER_COLUMNS : 0);
}

static void add_duration(struct text_line *line, const char *before, uint64_t ns)
{
	char text[NUMBER_SIZE];

	format_duration(ns, text);
	text_item(line);
	text_line_format(line, "%s %s", before, text);
}

/* Adds the details that only this kind of event has. */
static void add_kind_detail(struct text_line *line, const struct report *report)
{
	const struct wire_hdr *event = report->event;
	const struct wire_close *close = (const struct wire_close *)event;
	const struct wire_bind *bind = (const struct wire_bind *)event;
	const struct wire_timewait *timewait = (const struct wire_timewait *)event;
	const char *action;

	switch ((enum wire_kind)event->kind) {
	case WIRE_BIND:
		if (report->sock->flags & WIRE_PORT_EPHEMERAL && report->sock->local_port) {
			text_item(line);
			text_line_add(line, "ephemeral");
		}
		if (bind->how == WIRE_BIND_IMPLICIT) {
			text_item(line);
			text_line_add(line, "implicit");
		}
		text_options(line, report->sock);
		if (bind->duration_ns >= LONG_SEARCH_NS)
			add_duration(line, "search", bind->duration_ns);
		break;
	case WIRE_LISTEN:
		text_item(line);
		text_line_format(line, "backlog %u", ((const struct wire_listen *)event)->backlog);
		break;
	case WIRE_CONNECT:
		if (((const struct wire_connect *)event)->duration_ns >= LONG_SEARCH_NS)
			add_duration(line, "search",
				     ((const struct wire_connect *)event)->duration_ns);
		break;
	case WIRE_CLOSE:
		if (close->life_ns)
			add_duration(line, "after", close->life_ns);
		if (close->next_state == WIRE_TCP_TIME_WAIT) {
			text_item(line);
			text_line_add(line, "TIME_WAIT");
		}
		break;
	case WIRE_TIMEWAIT:
		action = timewait_action_name(timewait->action);
		text_item(line);
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

void text_cell_event_detail(struct text_line *line, const struct report *report,
			    const struct render_options *options)
{
	const struct process *process = report->process;
	uint32_t netns = report->sock->netns;

	if (options->verbose || (options->own_netns && netns && netns != options->own_netns)) {
		text_line_add(line, "netns ");
		text_netns(line, options, netns);
	}
	add_kind_detail(line, report);
	text_interface(line, report->interface);
	if (!options->verbose)
		return;
	text_place(line, options, process);
	if (process && process->cmdline[0]) {
		text_item(line);
		text_line_bytes(line, process->cmdline, strlen(process->cmdline));
	}
}

/* What a member needs beside its neighbours: whether it looks forgotten, and since when its process runs. */
static void add_group(struct text_line *line, const struct report *report)
{
	const struct port_report *port = report->port;
	uint64_t now = report->event->boot_ns, start = report->task->start_boot_ns;
	char age[NUMBER_SIZE];

	if (port->group)
		text_line_format(line, "group of %zu sockets (-a lists them)", port->group->count);
	if (!port->group_size)
		return;
	if (port->group_marks & GROUP_MARK_OLDER)
		text_line_add(line, "older than the rest of its group");
	if (port->group_marks & GROUP_MARK_GROWS) {
		text_item(line);
		text_line_add(line, "its queue only grows");
	}
	if (start && start < now) {
		format_age(now - start, age);
		text_item(line);
		text_line_format(line, "up %s", age);
	}
}

void text_cell_port_detail(struct text_line *line, const struct report *report,
			   const struct render_options *options)
{
	const struct port_entry *entry = report->entry;
	uint64_t now = report->event->boot_ns;
	char duration[NUMBER_SIZE];

	add_group(line, report);
	if (entry->sock.state == WIRE_TCP_TIME_WAIT && entry->expires_boot_ns > now) {
		format_left(entry->expires_boot_ns - now, duration);
		text_item(line);
		text_line_format(line, "%s left", duration);
	}
	if (entry->since_boot_ns && entry->since_boot_ns < now && !report->port->group) {
		format_duration(now - entry->since_boot_ns, duration);
		text_item(line);
		text_line_format(line, "for %s", duration);
	}
	if (!entry->fds && entry->owner.pid && entry->sock.flags & WIRE_ORPHAN) {
		text_item(line);
		text_line_add(line, "orphan");
	}
	text_options(line, &entry->sock);
	text_interface(line, report->interface);
	text_place(line, options, report->process);
	if (options->verbose && entry->fds) {
		text_item(line);
		text_line_format(line, "fd %d", entry->fds->fd);
	}
}
