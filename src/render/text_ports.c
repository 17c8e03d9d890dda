/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints the port table once, with columns as wide as their widest cell: rows wait in a buffer until the widths
 * are known. A table that does not fit into the buffer is printed in several parts.
 */
#include "render/text_ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/fields.h"
#include "render/format_number.h"
#include "util/address.h"

#define BUFFER_SIZE (256 * 1024)
#define SHORTEST_DETAIL 6 /* columns */
#define ROW_MAX	    (1 + FIELDS_MAX * TEXT_LINE_BYTES)

/* Rows one after the other: a byte of style, then a NUL-terminated text for each column of fields.c. */
struct text_ports {
	char rows[BUFFER_SIZE];
	size_t used;
	size_t widths[FIELDS_MAX];	/* by number of the field, without the space between columns */
	size_t fits[FIELDS_MAX];	/* the same, of this terminal */
	bool has_room;			/* for all of them */
	const char *first[FIELDS_MAX];	/* the cells of the first row */
	bool is_varied[FIELDS_MAX];	/* a later row differs from the first */
	bool is_any[FIELDS_MAX];	/* a row has a value */
	bool is_foreign;		/* a row is of another network namespace than the reader's */
	bool is_shown[FIELDS_MAX];
	bool has_header;		/* the header was printed, so the columns no longer change */
};

static const struct field *next_column(const struct field *field)
{
	return field_next_column(field, FIELD_OF_PORT);
}

static void keep_cell(struct text_ports *ports, size_t number, const struct text_line *cell)
{
	char *text = ports->rows + ports->used;

	memcpy(text, cell->bytes, cell->length);
	text[cell->length] = '\0';
	ports->used += cell->length + 1;
	if (cell->columns > ports->widths[number])
		ports->widths[number] = cell->columns;
	if (ports->has_header)
		return;
	ports->is_any[number] |= cell->length > 0;
	if (!ports->first[number])
		ports->first[number] = text;
	else if (strcmp(ports->first[number], text) != 0)
		ports->is_varied[number] = true;
}

static struct text_ports *ports_new(void)
{
	struct text_ports *ports = calloc(1, sizeof(*ports));

	if (!ports)
		return NULL;
	for (const struct field *field = next_column(NULL); field; field = next_column(field))
		ports->widths[field - fields] = strlen(field->header);
	return ports;
}

void text_port(struct render *render, const struct port_report *report)
{
	struct text_ports *ports = render->ports;
	bool is_waiting = report->entry->sock.state == WIRE_TCP_TIME_WAIT;
	struct socket_report socket;
	struct text_line cell;

	if (!ports)
		ports = render->ports = ports_new();
	if (!ports) {
		render->error = -ENOMEM;
		return;
	}
	if (ports->used + ROW_MAX > BUFFER_SIZE)
		text_ports_write(render);
	ports->is_foreign |= render->options.own_netns && report->entry->sock.netns != render->options.own_netns;
	socket_report_init(&socket, report, report->boot_ns);
	ports->rows[ports->used++] = report->group_marks ? STYLE_WARNING : is_waiting ? STYLE_FAINT : STYLE_PLAIN;
	for (const struct field *field = next_column(NULL); field; field = next_column(field)) {
		text_line_reset(&cell);
		field_put(field, &socket.report, &render->options, &cell);
		keep_cell(ports, (size_t)(field - fields), &cell);
	}
}

static bool is_address(const struct field *field)
{
	return field->role == ROLE_LOCAL || field->role == ROLE_REMOTE;
}

static size_t columns_needed(const struct text_ports *ports)
{
	size_t columns = 0;

	for (const struct field *field = next_column(NULL); field; field = next_column(field)) {
		if (ports->is_shown[field - fields] && field->role != ROLE_DETAIL)
			columns += ports->fits[field - fields] + 1;
	}
	return columns > 0 ? columns - 1 : 0;
}

/* The widest column that may give way, addresses only or the others only; NULL: none. */
static const struct field *widest(const struct text_ports *ports, bool addresses, bool to_enough)
{
	const struct field *found = NULL;

	for (const struct field *field = next_column(NULL); field; field = next_column(field)) {
		size_t width = ports->fits[field - fields], least = to_enough ? field->enough : field->least;

		if (ports->is_shown[field - fields] && field->least && is_address(field) == addresses && width > least &&
		    (!found || width > ports->fits[found - fields]))
			found = field;
	}
	return found;
}

/* PID and COMM stay, and the ports of the addresses: names and addresses give way, at last the queues. */
static void fit_columns(const struct render *render, struct text_ports *ports)
{
	static const struct {
		bool addresses, to_enough;
	} steps[] = {{false, true}, {true, true}, {false, false}, {true, false}};
	size_t width = render->options.width, step = 0;

	memcpy(ports->fits, ports->widths, sizeof(ports->fits));
	while (width && step < sizeof(steps) / sizeof(steps[0]) && columns_needed(ports) > width) {
		const struct field *field = widest(ports, steps[step].addresses, steps[step].to_enough);

		if (field)
			ports->fits[field - fields]--;
		else
			step++;
	}
	ports->has_room = !width || columns_needed(ports) <= width;
}

/* In the column `start`. A detail without room would be cut together with the port before it. */
static bool is_shown(const struct render *render, const struct text_ports *ports, const struct field *field, size_t start)
{
	size_t width = render->options.width;

	if (field->role == ROLE_IF_ROOM && !ports->has_room)
		return false;
	if (field->role == ROLE_DETAIL && width && start + SHORTEST_DETAIL > width)
		return false;
	return ports->is_shown[field - fields];
}

static void write_header(struct render *render, struct text_ports *ports)
{
	struct text_line line = {}, cell = {};
	size_t start = 0;

	for (const struct field *field = next_column(NULL); field; field = next_column(field)) {
		size_t width = ports->fits[field - fields] + 1;

		if (!is_shown(render, ports, field, start))
			continue;
		text_line_reset(&cell);
		text_line_add(&cell, field->header);
		text_line_cell(&line, start, width, field->align, &cell);
		start += width;
	}
	if (!render->options.quiet)
		text_write(render, &line);
}

static void choose_columns(struct text_ports *ports)
{
	ports->has_header = true;
	for (const struct field *field = next_column(NULL); field; field = next_column(field)) {
		size_t number = (size_t)(field - fields);

		ports->is_shown[number] = field->role == ROLE_IF_VARIED ? ports->is_varied[number] || ports->is_foreign :
					  field->role == ROLE_REMOTE || field->role == ROLE_IF_ROOM ?
									  ports->is_any[number] : true;
	}
}

static void fit_cell(const struct field *field, size_t width, const char *text, struct text_line *cell)
{
	char address[ADDRESS_PORT_SIZE];

	text_line_reset(cell);
	if (is_address(field) && strlen(text) < sizeof(address)) {
		strcpy(address, text);
		address_shorten(address, width);
		text_line_add(cell, address);
		return;
	}
	text_line_add(cell, text);
	if (field->least)
		text_line_cut(cell, width);
}

static const char *write_row(struct render *render, const struct text_ports *ports, const char *row)
{
	struct text_line line = {}, cell = {};
	size_t start = 0;

	line.style = (enum text_style)*row++;
	for (const struct field *field = next_column(NULL); field; field = next_column(field)) {
		size_t width = ports->fits[field - fields];
		const char *text = row;

		row += strlen(row) + 1;
		if (!is_shown(render, ports, field, start))
			continue;
		fit_cell(field, width, text, &cell);
		text_line_cell(&line, start, width + 1, field->align, &cell);
		start += width + 1;
	}
	text_write(render, &line);
	return row;
}

void text_ports_write(struct render *render)
{
	struct text_ports *ports = render->ports;
	const char *row;
	bool is_first;

	if (!ports || ports->used == 0)
		return;
	is_first = !ports->has_header;
	if (is_first)
		choose_columns(ports);
	fit_columns(render, ports);
	if (is_first)
		write_header(render, ports);
	for (row = ports->rows; row < ports->rows + ports->used;)
		row = write_row(render, ports, row);
	ports->used = 0;
}

void text_timewaits(struct render *render, uint64_t count)
{
	struct text_line line = {.style = STYLE_FAINT};
	char text[NUMBER_SIZE];

	text_ports_write(render);
	format_count(count, text);
	text_line_format(&line, "%s TIME_WAIT%s (-a lists them)", text, count == 1 ? "" : "s");
	text_write(render, &line);
}

void text_ports_free(struct render *render)
{
	free(render->ports);
	render->ports = NULL;
}
