/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes one JSON object per line. yajl checks the syntax and escapes text. Keys must be ASCII that needs no
 * escaping.
 */
#ifndef PORTTRACE_RENDER_JSON_LINE_H
#define PORTTRACE_RENDER_JSON_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json_line;

/* NULL with errno ENOMEM. `out` is borrowed. */
struct json_line *json_line_new(FILE *out);
void json_line_free(struct json_line *line);

void json_line_begin(struct json_line *line);
void json_line_end(struct json_line *line);
/* Writes the buffer: 0, or -errno of the first write that failed since json_line_new(). */
int json_line_flush(struct json_line *line);

void json_key(struct json_line *line, const char *key, size_t length);
#define JSON_KEY(line, key) json_key(line, "" key, sizeof(key) - 1)

void json_open_map(struct json_line *line);
void json_close_map(struct json_line *line);
void json_open_list(struct json_line *line);
void json_close_list(struct json_line *line);

void json_number(struct json_line *line, uint64_t number);
/* `number` is in thousandths: 2900 is written as 2.9. */
void json_thousandths(struct json_line *line, uint64_t number);
void json_bool(struct json_line *line, bool value);
void json_true(struct json_line *line);
/* At most 62 bytes of ASCII that needs no escaping. */
void json_word(struct json_line *line, const char *word, size_t length);
/* Any bytes; those that are not UTF-8 are replaced by U+FFFD. */
void json_bytes(struct json_line *line, const char *bytes, size_t length);
void json_text(struct json_line *line, const char *text);

#endif
