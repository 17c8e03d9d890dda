/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the text formats: text_out.h. */
#include "render/text_out.h"

#include <errno.h>
#include <string.h>

#include "render/format_number.h"
#include "util/display_width.h"

#define LABEL_WIDTH    8
#define NARROWEST_NOTE 20

void text_begin(struct render *render, struct text_line *line, uint64_t boot_ns)
{
	const struct render_options *options = &render->options;
	int64_t wall_ns = render_wall_ns(options, boot_ns);
	char text[TIME_FORMAT_SIZE];

	switch (options->time) {
	case TIME_WALL:
		time_format_wall(&render->clock, wall_ns, text);
		break;
	case TIME_RELATIVE:
		time_format_relative((int64_t)(boot_ns - options->start_boot_ns), text);
		break;
	case TIME_ISO:
		time_format_iso(&render->clock, wall_ns, text);
		break;
	case TIME_NONE:
		return;
	}
	text_line_add(line, text);
	text_line_column(line, render->time_width);
}

static void write_line(struct render *render, struct text_line *line, size_t width)
{
	FILE *out = render->options.out;

	text_line_write(line, out, width, render->options.colour);
	if (ferror(out) && !render->error)
		render->error = errno ? -errno : -EIO;
}

void text_write(struct render *render, struct text_line *line)
{
	write_line(render, line, render->options.width);
}

void text_write_whole(struct render *render, struct text_line *line)
{
	write_line(render, line, 0);
}

size_t text_note_room(const struct render *render)
{
	size_t beside = render->time_width + LABEL_WIDTH, width = render->options.width;

	if (width == 0)
		return SIZE_MAX;
	return width > beside + NARROWEST_NOTE ? width - beside : NARROWEST_NOTE;
}

/* Up to the last space outside quotes that leaves room for a backslash. A longer word is left to the terminal. */
static size_t wrap_command(const char *text, size_t length, size_t width)
{
	static const char continued[] = " \\";
	size_t end = 0, columns = 0, next;
	bool is_quoted = false;

	if (display_width(text, length) <= width)
		return length;
	for (size_t at = 0; at < length; at += next) {
		size_t taken;

		next = display_next(text + at, length - at, &taken);
		if (text[at] == '\'' || text[at] == '"')
			is_quoted = !is_quoted;
		else if (text[at] == ' ' && !is_quoted && at > 0)
			end = at;
		columns += taken;
		if (end > 0 && columns + strlen(continued) > width)
			return end;
	}
	return length;
}

/* The part of `whole` from `from`, with its mark. */
static void add_part(struct text_line *line, const struct text_line *whole, size_t from, size_t length)
{
	size_t end = from + length, at = line->length;

	text_line_put(line, whole->bytes + from, length);
	if (whole->mark_end <= from || whole->mark >= end || whole->mark == whole->mark_end)
		return;
	line->style = whole->style;
	line->mark = at + (whole->mark > from ? whole->mark - from : 0);
	line->mark_end = at + (whole->mark_end < end ? whole->mark_end : end) - from;
}

static void put_note(struct render *render, const char *label, const struct text_line *text, bool is_command)
{
	size_t room = text_note_room(render), from = 0;

	while (from < text->length) {
		size_t left = text->length - from, taken;
		struct text_line line = {};

		taken = is_command ? wrap_command(text->bytes + from, left, room) :
				     display_wrap(text->bytes + from, left, room);
		text_line_column(&line, render->time_width);
		text_line_add(&line, label);
		text_line_column(&line, render->time_width + LABEL_WIDTH);
		add_part(&line, text, from, taken);
		if (is_command && taken < left)
			text_line_add(&line, " \\");
		text_write_whole(render, &line);
		label = "";
		for (from += taken; from < text->length && text->bytes[from] == ' '; from++)
			;
	}
}

void text_write_wrapped(struct render *render, const struct text_line *text)
{
	size_t width = render->options.width, from = 0, indent = 0, taken;

	for (; from < text->length; from += taken, indent = 2) {
		struct text_line line = {};

		while (text->bytes[from] == ' ' && from + 1 < text->length)
			from++;
		taken = text->length - from;
		if (width)
			taken = display_wrap(text->bytes + from, taken, width > NARROWEST_NOTE ? width - indent : NARROWEST_NOTE);
		text_line_column(&line, indent);
		add_part(&line, text, from, taken);
		text_write_whole(render, &line);
	}
}

void text_note(struct render *render, const char *label, const struct text_line *text)
{
	put_note(render, label, text, false);
}

void text_note_words(struct render *render, const char *label, const char *text)
{
	struct text_line line = {};

	text_line_add(&line, text);
	put_note(render, label, &line, false);
}

void text_note_more(struct render *render, uint64_t more)
{
	struct text_line line = {};
	char text[NUMBER_SIZE];

	if (!more)
		return;
	format_count(more, text);
	text_line_format(&line, "and %s more", text);
	text_note(render, "", &line);
}

void text_note_command(struct render *render, const char *label, const struct text_line *command)
{
	put_note(render, label, command, true);
}
