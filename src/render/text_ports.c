/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The port table once, as `ss -tunap` would show it. Rows wait in a buffer until their columns'
 * widths are known; a table too large for the buffer comes out in several parts.
 */
#include "render/text_ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/format_number.h"
#include "render/names.h"
#include "render/text_words.h"
#include "util/address.h"

#define BUFFER_SIZE (256 * 1024)
#define ROW_MAX	    (4 * 1024)
#define PIDS_SEEN   32 /* processes told apart on one socket */

enum cell { CELL_NETNS, CELL_PROTOCOL, CELL_STATE, CELL_LOCAL, CELL_REMOTE, CELL_PID, CELL_COMM,
	    CELL_DETAIL };
#define CELL_COUNT 8

static const char *const titles[CELL_COUNT] = {
	"NETNS", "PROTO", "STATE", "LOCAL", "REMOTE", "PID", "COMM", "DETAIL",
};

/* The rows one after the other: a byte of style, then CELL_COUNT texts with their NULs. */
struct text_ports {
	char rows[BUFFER_SIZE];
	size_t used;
	size_t widths[CELL_COUNT];
	uint32_t netns;	     /* of the first row */
	bool has_rows;
	bool several_netns;  /* worth a column */
	bool has_header;     /* is out: the columns stay */
	bool shows_netns;
};

static void put_cell(struct text_ports *ports, enum cell cell, const struct text_line *line)
{
	size_t length = line->length;

	memcpy(ports->rows + ports->used, line->bytes, length);
	ports->rows[ports->used + length] = '\0';
	ports->used += length + 1;
	if (line->columns > ports->widths[cell])
		ports->widths[cell] = line->columns;
}

/* Other processes that have the socket, counted once each; approximate beyond PIDS_SEEN. */
static size_t count_others(const struct port_fd *fd)
{
	uint32_t seen[PIDS_SEEN];
	size_t count = 0, total = 0;

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

static void add_address(struct text_line *line, const uint8_t address[16], uint16_t port)
{
	char text[ADDRESS_PORT_SIZE];

	address_format_port(address, port, text);
	text_line_add(line, text);
}

static void add_comm(struct text_line *line, const struct port_entry *entry,
		     const struct wire_task *task)
{
	size_t others = count_others(entry->fds);

	if (task->pid)
		text_line_bytes(line, task->comm, strnlen(task->comm, sizeof(task->comm)));
	else
		text_line_add(line, entry->sock.flags & WIRE_KERNEL_OWNED ? "[kernel]" : "-");
	if (others > 0)
		text_line_format(line, " +%zu", others);
}

static void add_detail(struct text_line *line, const struct port_report *report, bool verbose)
{
	const struct port_entry *entry = report->entry;
	uint64_t now = report->boot_ns;
	char duration[NUMBER_SIZE];

	if (entry->sock.state == WIRE_TCP_TIME_WAIT && entry->expires_boot_ns > now) {
		format_duration(entry->expires_boot_ns - now, duration);
		text_line_format(line, "%s left", duration);
	}
	if (entry->sock.state == WIRE_TCP_LISTEN)
		text_line_format(line, "backlog %u", entry->backlog);
	if (entry->since_boot_ns && entry->since_boot_ns < now) {
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
	text_place(line, report->process);
	if (verbose && entry->fds) {
		text_item(line);
		text_line_format(line, "fd %d", entry->fds->fd);
	}
}

static void fill_cells(struct text_line cells[CELL_COUNT], const struct port_report *report,
		       bool verbose)
{
	const struct port_entry *entry = report->entry;
	const struct wire_sock *sk = &entry->sock;
	const struct wire_task *task = entry->fds ? &entry->fds->task : &entry->owner;
	const char *state = state_name(sk->state, entry->substate);
	char protocol[PROTOCOL_NAME_SIZE];

	memset(cells, 0, CELL_COUNT * sizeof(cells[0]));
	text_line_format(&cells[CELL_NETNS], "%u", sk->netns);
	text_line_add(&cells[CELL_PROTOCOL], protocol_name(sk->protocol, protocol));
	text_line_add(&cells[CELL_STATE], state ? state : "-");
	add_address(&cells[CELL_LOCAL], sk->local_addr, sk->local_port);
	if (sk->remote_port)
		add_address(&cells[CELL_REMOTE], sk->remote_addr, sk->remote_port);
	if (task->pid)
		text_line_format(&cells[CELL_PID], "%u", task->pid);
	else
		text_line_add(&cells[CELL_PID], "-");
	add_comm(&cells[CELL_COMM], entry, task);
	add_detail(&cells[CELL_DETAIL], report, verbose);
}

void text_port(struct render *render, const struct port_report *report)
{
	struct text_ports *ports = render->ports;
	struct text_line cells[CELL_COUNT];
	uint8_t state = report->entry->sock.state;

	if (!ports) {
		ports = render->ports = calloc(1, sizeof(*ports));
		if (!ports) {
			render->error = -ENOMEM;
			return;
		}
		for (size_t i = 0; i < CELL_COUNT; i++)
			ports->widths[i] = strlen(titles[i]);
		ports->netns = report->entry->sock.netns;
	}
	if (ports->used + ROW_MAX > BUFFER_SIZE)
		text_ports_write(render);
	ports->several_netns |= report->entry->sock.netns != ports->netns;
	ports->has_rows = true;
	fill_cells(cells, report, render->options.verbose);
	ports->rows[ports->used++] = state == WIRE_TCP_TIME_WAIT ? STYLE_FAINT : STYLE_PLAIN;
	for (size_t i = 0; i < CELL_COUNT; i++)
		put_cell(ports, (enum cell)i, &cells[i]);
}

static size_t add_cell(struct text_ports *ports, struct text_line *line, size_t cell,
		       const char *text, size_t column)
{
	if (cell == CELL_NETNS && !ports->shows_netns)
		return column;
	text_line_column(line, column);
	text_line_add(line, text);
	return column + ports->widths[cell] + 1;
}

static void write_header(struct render *render, struct text_ports *ports)
{
	struct text_line line = {};
	size_t column = 0;

	ports->has_header = true;
	ports->shows_netns = ports->several_netns;
	if (render->options.quiet)
		return;
	for (size_t cell = 0; cell < CELL_COUNT; cell++)
		column = add_cell(ports, &line, cell, titles[cell], column);
	text_write(render, &line);
}

void text_ports_write(struct render *render)
{
	struct text_ports *ports = render->ports;
	const char *at, *end;

	if (!ports || !ports->has_rows)
		return;
	if (!ports->has_header)
		write_header(render, ports);
	at = ports->rows;
	end = ports->rows + ports->used;
	while (at < end) {
		struct text_line line = { .style = (enum text_style)*at++ };
		size_t column = 0;

		for (size_t cell = 0; cell < CELL_COUNT; cell++) {
			column = add_cell(ports, &line, cell, at, column);
			at += strlen(at) + 1;
		}
		text_write(render, &line);
	}
	ports->used = 0;
	ports->has_rows = false;
}

void text_ports_free(struct render *render)
{
	free(render->ports);
	render->ports = NULL;
}
