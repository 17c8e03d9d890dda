/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Columns of a text on a terminal. The text is UTF-8 without control characters (util/escape.h). A wide character
 * takes two columns. A combining character counts as one: a row that seems wider than it is still fits.
 */
#ifndef PORTTRACE_UTIL_DISPLAY_WIDTH_H
#define PORTTRACE_UTIL_DISPLAY_WIDTH_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes and columns of the first character. length > 0. */
size_t display_next(const char *text, size_t length, size_t *columns);
size_t display_width(const char *text, size_t length);
/* Bytes of the longest beginning that fits into `columns`, without half a character. */
size_t display_fit(const char *text, size_t length, size_t columns);
/* Bytes for a line of `columns`: up to the last space that fits, without it; what fits where there is none. */
size_t display_wrap(const char *text, size_t length, size_t columns);

#endif
