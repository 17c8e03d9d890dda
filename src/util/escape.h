/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes from processes made safe to show: a name or a path may hold anything, and must neither
 * steer a terminal nor break a JSON reader.
 */
#ifndef PORTTRACE_UTIL_ESCAPE_H
#define PORTTRACE_UTIL_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

/* Room for the result of `length` bytes, whatever they are, NUL included. */
#define ESCAPE_TERMINAL_SIZE(length) (4 * (length) + 1)
#define ESCAPE_JSON_SIZE(length)     (3 * (length) + 1)

/*
 * For a terminal: controls and bytes that are no UTF-8 become \xNN, characters that are invisible
 * or turn the direction of writing become \uNNNN (\UNNNNNNNN beyond the BMP), and a backslash becomes
 * two, so that the result names its source without doubt.
 *
 * Both write a NUL-terminated text, cut before the first character that does not fit into `size`
 * (at least 1), and return its length.
 */
size_t escape_terminal(char *out, size_t size, const char *bytes, size_t length);

/* For a JSON writer, which does its own quoting: every byte that is no UTF-8 becomes U+FFFD. */
size_t escape_json(char *out, size_t size, const char *bytes, size_t length);

/* true: escape_json() would change nothing. */
bool escape_is_utf8(const char *bytes, size_t length);

#endif
