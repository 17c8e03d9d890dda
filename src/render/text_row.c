/* SPDX-License-Identifier: GPL-2.0-only */
/* A row of the stream: text_row.h. */
#include "render/text_row.h"

#include <string.h>

#include "render/fields.h"
#include "render/text_words.h"
#include "util/address.h"
#include "util/display_width.h"
#include "util/errno_name.h"

#define ARROW_WIDTH	 3 /* "-> " */
#define SHORTEST_ADDRESS 7 /* "…:65535" */
#define SHORTEST_DETAIL	 6 /* "  on …" */

/* What a row must show besides the process: where, towards whom, and what failed. */
struct essentials {
	char local[ADDRESS_PORT_SIZE], peer[ADDRESS_PORT_SIZE];
	const char *arrow;	     /* to the peer, or from it */
	char error[ERRNO_NAME_SIZE]; /* "": it did not fail */
};

static const struct field *next_column(const struct field *field)
{
	return field_next_column(field, FIELD_OF_EVENT);
}

static size_t column_width(const struct render *render, const struct field *field)
{
	return render->is_narrow ? field->narrow_width : field->width;
}

void text_row_header(struct render *render)
{
	size_t start = render->time_width;
	struct text_line line = {}, cell = {};

	if (render->options.time != TIME_NONE)
		text_line_add(&line, "TIME");
	for (const struct field *field = next_column(NULL); field; field = next_column(field)) {
		text_line_reset(&cell);
		text_line_add(&cell, field->header);
		text_line_cell(&line, start, column_width(render, field), field->align, &cell);
		start += column_width(render, field);
	}
	text_write(render, &line);
}

void text_fit_addresses(char first[ADDRESS_PORT_SIZE], char second[ADDRESS_PORT_SIZE], size_t columns)
{
	size_t a = display_width(first, strlen(first)), b = display_width(second, strlen(second));
	size_t half = columns / 2;

	if (a + b <= columns)
		return;
	if (a <= half)
		address_shorten(second, columns - a);
	else if (b <= half)
		address_shorten(first, columns - b);
	else {
		address_shorten(first, half);
		address_shorten(second, columns - display_width(first, strlen(first)));
	}
}

static void essentials_fill(struct essentials *out, const struct report *report)
{
	const struct wire_sock *sk = report->sock;
	uint32_t error = wire_ended_errno(report->event);

	*out = (struct essentials){
		.arrow = report->event->kind == WIRE_ACCEPT || sk->flags & WIRE_ACCEPTED ? "<- " : "-> ",
	};
	/* A connect() that got no port has no local end. */
	if (sk->local_port || !sk->remote_port || !address_is_wildcard(sk->local_addr))
		address_format_bound(sk->local_addr, sk->local_port, sk->flags & WIRE_V6ONLY, out->local);
	if (sk->remote_port)
		address_format_port(sk->remote_addr, sk->remote_port, out->peer);
	if (error) {
		char name[ERRNO_NAME_SIZE];

		strcpy(out->error, errno_name(error, name));
	}
}

static size_t needed_after_local(const struct essentials *row)
{
	size_t peer = display_width(row->peer, strlen(row->peer)), error = strlen(row->error);

	return (peer ? ARROW_WIDTH + peer : 0) + (error ? error + (peer ? 1 : 0) : 0);
}

/* Shortens the addresses. Where not even both ports fit, the peer is worth more than the local end of its connection. */
static void fit_essentials(struct essentials *row, size_t room)
{
	size_t fixed = needed_after_local(row) - display_width(row->peer, strlen(row->peer));

	fixed += fixed > 0; /* the space before DETAIL */
	room = room > fixed ? room - fixed : 0;
	if (row->peer[0] && room < 2 * SHORTEST_ADDRESS)
		row->local[0] = '\0';
	text_fit_addresses(row->local, row->peer, room);
}

/* LOCAL and DETAIL; LOCAL starts at column `start` and is `local_width` wide where there is room. */
static void put_essentials(const struct render *render, struct essentials *row, size_t start, size_t local_width,
			   struct text_line *line)
{
	size_t width = render->options.width, detail_at = start + local_width, after;

	text_line_column(line, start);
	if (width)
		fit_essentials(row, width > line->columns ? width - line->columns : 0);
	text_line_add(line, row->local);
	after = needed_after_local(row);
	if (width && detail_at + after > width)
		detail_at = width > after ? width - after : 0;
	if (!after)
		return;
	text_line_column(line, detail_at);
	if (row->peer[0]) {
		text_line_add(line, row->arrow);
		text_line_add(line, row->peer);
	}
	if (row->error[0]) {
		text_line_add(line, row->peer[0] ? " " : "");
		text_line_mark(line, STYLE_FAILED, row->error);
	}
}

static void put_detail(const struct essentials *row, const struct text_line *detail, size_t start, size_t width,
		       struct text_line *line)
{
	if (!detail->length || (width && line->columns + SHORTEST_DETAIL > width))
		return;
	if (row->error[0] || row->peer[0])
		text_line_add(line, row->error[0] ? ", " : "  ");
	else
		text_line_column(line, start);
	text_line_append(line, detail);
}

void text_row(struct render *render, const struct report *report, struct text_line *line)
{
	size_t start = render->time_width, local_at = 0, local_width = 0;
	struct text_line cell = {};
	struct essentials row;

	essentials_fill(&row, report);
	for (const struct field *field = next_column(NULL); field; field = next_column(field)) {
		size_t width = column_width(render, field);

		text_line_reset(&cell);
		field_put(field, report, &render->options, &cell);
		if (field->role == ROLE_LOCAL) {
			local_at = start;
			local_width = width;
		} else if (field->role == ROLE_DETAIL) {
			put_essentials(render, &row, local_at, local_width, line);
			put_detail(&row, &cell, start, render->options.width, line);
		} else {
			text_line_cell(line, start, width, field->align, &cell);
		}
		start += width;
	}
}
