/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One JSON object a line. yajl keeps the syntax right and quotes; what it writes goes straight into
 * one large buffer. Keys are ours: ASCII, written as they are.
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
/* Everything out: 0, or -errno of the first write that failed since json_line_new(). */
int json_line_flush(struct json_line *line);

void json_key(struct json_line *line, const char *key, size_t length);
#define JSON_KEY(line, key) json_key(line, "" key, sizeof(key) - 1)

void json_open_map(struct json_line *line);
void json_close_map(struct json_line *line);
void json_open_list(struct json_line *line);
void json_close_list(struct json_line *line);

void json_number(struct json_line *line, uint64_t number);
/* Thousandths: 2900 is 2.9 */
void json_thousandths(struct json_line *line, uint64_t number);
void json_bool(struct json_line *line, bool value);
void json_true(struct json_line *line);
/* Text of ours, at most 62 bytes of ASCII without anything to quote. */
void json_word(struct json_line *line, const char *word, size_t length);
/* Any bytes. */
void json_bytes(struct json_line *line, const char *bytes, size_t length);
void json_text(struct json_line *line, const char *text);

#endif
