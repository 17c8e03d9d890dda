/* SPDX-License-Identifier: GPL-2.0-only */
/* A line of text: text_line.h. */
#include "render/text_line.h"

#include <stdarg.h>
#include <string.h>

#include "util/display_width.h"
#include "util/escape.h"

static bool starts_character(char byte)
{
	return ((unsigned char)byte & 0xc0) != 0x80;
}

void text_line_reset(struct text_line *line)
{
	line->length = line->columns = 0;
	line->style = STYLE_PLAIN;
	line->mark = line->mark_end = 0;
}

static size_t room(const struct text_line *line)
{
	return sizeof(line->bytes) - 1 - line->length;
}

void text_line_put(struct text_line *line, const char *text, size_t length)
{
	if (length > room(line)) {
		length = room(line);
		while (length > 0 && !starts_character(text[length]))
			length--;
	}
	memcpy(line->bytes + line->length, text, length);
	line->length += length;
	line->columns += display_width(text, length);
}

void text_line_add(struct text_line *line, const char *text)
{
	text_line_put(line, text, strlen(text));
}

void text_line_format(struct text_line *line, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_line_add(line, text);
}

void text_line_bytes(struct text_line *line, const char *bytes, size_t length)
{
	size_t added = escape_terminal(line->bytes + line->length, room(line) + 1, bytes, length);

	line->columns += display_width(line->bytes + line->length, added);
	line->length += added;
}

void text_line_mark(struct text_line *line, enum text_style style, const char *text)
{
	line->style = style;
	line->mark = line->length;
	text_line_add(line, text);
	line->mark_end = line->length;
}

void text_line_mark_from(struct text_line *line, enum text_style style, size_t from)
{
	line->style = style;
	line->mark = from;
	line->mark_end = sizeof(line->bytes);
}

void text_line_append(struct text_line *line, const struct text_line *other)
{
	if (other->mark_end > other->mark) {
		line->style = other->style;
		line->mark = line->length + other->mark;
		line->mark_end = line->length + other->mark_end;
	}
	if (other->length > room(line)) {
		text_line_put(line, other->bytes, other->length);
		return;
	}
	memcpy(line->bytes + line->length, other->bytes, other->length);
	line->length += other->length;
	line->columns += other->columns;
}

void text_line_column(struct text_line *line, size_t column)
{
	bool is_apart = line->length == 0 || line->bytes[line->length - 1] == ' ';
	size_t spaces = column > line->columns ? column - line->columns : is_apart ? 0 : 1;

	if (spaces > room(line))
		spaces = room(line);
	memset(line->bytes + line->length, ' ', spaces);
	line->length += spaces;
	line->columns += spaces;
}

void text_line_cell(struct text_line *line, size_t start, size_t width, enum text_align align,
		    const struct text_line *cell)
{
	if (cell->length == 0)
		return;
	/* A column ends with the space that separates it from the next one. */
	if (align == ALIGN_RIGHT && cell->columns + 1 < width)
		start += width - 1 - cell->columns;
	text_line_column(line, start);
	text_line_append(line, cell);
}

void text_line_cut(struct text_line *line, size_t width)
{
	static const char ellipsis[] = "…";

	if (width == 0 || line->columns <= width)
		return;
	line->length = display_fit(line->bytes, line->length, width - 1);
	line->columns = display_width(line->bytes, line->length);
	text_line_put(line, ellipsis, sizeof(ellipsis) - 1);
}

static void write_part(const struct text_line *line, size_t from, size_t to, FILE *out)
{
	if (to > from)
		fwrite(line->bytes + from, 1, to - from, out);
}

void text_line_write(struct text_line *line, FILE *out, size_t width, bool colour)
{
	static const char *const codes[] = {
		[STYLE_FAILED] = "\033[31m",
		[STYLE_WARNING] = "\033[33m",
		[STYLE_FAINT] = "\033[2m",
		[STYLE_HOLDER] = "\033[1m",
		[STYLE_REMEDY] = "\033[32m",
	};
	size_t from = line->mark, to = line->mark_end;

	while (line->length > 0 && line->bytes[line->length - 1] == ' ') {
		line->length--;
		line->columns--;
	}
	text_line_cut(line, width);
	if (to <= from) {
		from = 0;
		to = line->length;
	}
	if (to > line->length)
		to = line->length;
	if (colour && line->style != STYLE_PLAIN && from < to) {
		write_part(line, 0, from, out);
		fputs(codes[line->style], out);
		write_part(line, from, to, out);
		fputs("\033[0m", out);
		write_part(line, to, line->length, out);
	} else {
		write_part(line, 0, line->length, out);
	}
	putc('\n', out);
	text_line_reset(line);
}
