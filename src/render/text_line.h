/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A line of text for a terminal: a cell that is too long moves the next one to the right, bytes of other
 * programs are escaped, and colour only repeats the text.
 */
#ifndef PORTTRACE_RENDER_TEXT_LINE_H
#define PORTTRACE_RENDER_TEXT_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum text_style { STYLE_PLAIN, STYLE_FAILED, STYLE_WARNING, STYLE_FAINT, STYLE_HOLDER, STYLE_REMEDY };
enum text_align { ALIGN_LEFT, ALIGN_RIGHT };

#define TEXT_LINE_BYTES 1536

/* Starts zeroed, or reset. Text that does not fit is left out. */
struct text_line {
	size_t length;
	size_t columns;
	enum text_style style;	     /* of the marked part, the whole line when nothing is marked */
	size_t mark, mark_end;	     /* in bytes */
	char bytes[TEXT_LINE_BYTES];
};

/* Empties a line without touching its bytes. */
void text_line_reset(struct text_line *line);

/* Text without control characters: from porttrace, or escaped already. */
void text_line_add(struct text_line *line, const char *text);
void text_line_put(struct text_line *line, const char *text, size_t length);
void text_line_format(struct text_line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Bytes of another program: control characters are escaped. */
void text_line_bytes(struct text_line *line, const char *bytes, size_t length);
/* Adds text in a style. A line has one such part, the last. */
void text_line_mark(struct text_line *line, enum text_style style, const char *text);
/* What is added from here on to the end of the line, or to mark_end if the caller sets it, has a style. */
void text_line_mark_from(struct text_line *line, enum text_style style, size_t from);
void text_line_append(struct text_line *line, const struct text_line *other);
/* Spaces up to `column`; one where the line has reached it and does not end with a space. */
void text_line_column(struct text_line *line, size_t column);

/* A cell of a table whose column is `width` wide and starts at `start`; nothing when the cell is empty. */
void text_line_cell(struct text_line *line, size_t start, size_t width, enum text_align align,
		    const struct text_line *cell);

/* Cuts the line to `width` columns, the last of which is then "…". 0: not cut. */
void text_line_cut(struct text_line *line, size_t width);
/* width: columns to cut the line to, 0: not cut. Leaves the line empty. */
void text_line_write(struct text_line *line, FILE *out, size_t width, bool colour);

#endif
