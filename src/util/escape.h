/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Escapes bytes that come from processes or a command line: they must neither control a terminal nor make JSON invalid.
 */
#ifndef PORTTRACE_UTIL_ESCAPE_H
#define PORTTRACE_UTIL_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* Maximum size of the result for `length` bytes, NUL included. */
#define ESCAPE_TERMINAL_SIZE(length) (4 * (length) + 1)
#define ESCAPE_JSON_SIZE(length)     (3 * (length) + 1)

/*
 * For a terminal: control characters and bytes that are not UTF-8 become \xNN, characters that are invisible or change
 * the direction of writing \uNNNN (\UNNNNNNNN above U+FFFF), and a backslash becomes two. Different sources have
 * different results.
 *
 * Both functions write NUL-terminated text, cut before the first character that does not fit into `size` (at least 1),
 * and return its length.
 */
size_t escape_terminal(char *out, size_t size, const char *bytes, size_t length);

/* For JSON, before quoting: replaces every byte that is not UTF-8 by U+FFFD. */
size_t escape_json(char *out, size_t size, const char *bytes, size_t length);

/* true: valid UTF-8, which escape_json() does not change. */
bool escape_is_utf8(const char *bytes, size_t length);

#endif
