/* SPDX-License-Identifier: GPL-2.0-only */
/* One JSON object per line, written by yajl into a buffer of 64 KiB. */
#include "render/json_line.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "util/escape.h"

#define BUFFER_SIZE (64 * 1024)
#define NUMBER_SIZE 24
#define WORD_MAX    62

/* The longest texts, a command line and a sentence of a diagnosis, have 512 bytes. */
#define BYTES_MAX 1024

struct json_line {
	yajl_gen gen;
	FILE *out;
	int error; /* -errno of the first write that failed */
	size_t used;
	char buffer[BUFFER_SIZE];
};

static void write_out(struct json_line *line, const char *bytes, size_t length)
{
	if (!line->error && length > 0 && fwrite(bytes, 1, length, line->out) != length)
		line->error = errno ? -errno : -EIO;
}

static void write_buffer(struct json_line *line)
{
	write_out(line, line->buffer, line->used);
	line->used = 0;
}

static void append(void *context, const char *bytes, size_t length)
{
	struct json_line *line = context;

	if (length > BUFFER_SIZE - line->used) {
		write_buffer(line);
		if (length > BUFFER_SIZE) {
			write_out(line, bytes, length);
			return;
		}
	}
	memcpy(line->buffer + line->used, bytes, length);
	line->used += length;
}

struct json_line *json_line_new(FILE *out)
{
	struct json_line *line = malloc(sizeof(*line));

	if (!line)
		return NULL;
	line->out = out;
	line->error = 0;
	line->used = 0;
	line->gen = yajl_gen_alloc(NULL);
	if (!line->gen) {
		free(line);
		errno = ENOMEM;
		return NULL;
	}
	yajl_gen_config(line->gen, yajl_gen_print_callback, append, line);
	return line;
}

void json_line_free(struct json_line *line)
{
	if (!line)
		return;
	yajl_gen_free(line->gen);
	free(line);
}

/* yajl refuses invalid JSON, which would be a bug in porttrace. */
static void must(yajl_gen_status status)
{
	assert(status == yajl_gen_status_ok);
	(void)status;
}

void json_line_begin(struct json_line *line)
{
	json_open_map(line);
}

void json_line_end(struct json_line *line)
{
	json_close_map(line);
	yajl_gen_reset(line->gen, "\n");
}

int json_line_flush(struct json_line *line)
{
	write_buffer(line);
	if (fflush(line->out) && !line->error)
		line->error = errno ? -errno : -EIO;
	return line->error;
}

void json_key(struct json_line *line, const char *key, size_t length)
{
	must(yajl_gen_string(line->gen, (const unsigned char *)key, length));
}

void json_open_map(struct json_line *line)
{
	must(yajl_gen_map_open(line->gen));
}

void json_close_map(struct json_line *line)
{
	must(yajl_gen_map_close(line->gen));
}

void json_open_list(struct json_line *line)
{
	must(yajl_gen_array_open(line->gen));
}

void json_close_list(struct json_line *line)
{
	must(yajl_gen_array_close(line->gen));
}

/* Digits backwards from `end`. yajl_gen_integer() would call printf(), which is slower. */
static char *write_number(char *end, uint64_t number)
{
	do {
		*--end = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	return end;
}

void json_number(struct json_line *line, uint64_t number)
{
	char buffer[NUMBER_SIZE];
	char *end = buffer + sizeof(buffer);
	char *at = write_number(end, number);

	must(yajl_gen_number(line->gen, at, (size_t)(end - at)));
}

void json_thousandths(struct json_line *line, uint64_t number)
{
	char buffer[NUMBER_SIZE + 4];
	char *end = buffer + sizeof(buffer);
	unsigned int fraction = (unsigned int)(number % 1000);
	int digits = 3;
	char *at = end;

	if (fraction) {
		for (; fraction % 10 == 0; fraction /= 10)
			digits--;
		for (; digits > 0; digits--, fraction /= 10)
			*--at = (char)('0' + fraction % 10);
		*--at = '.';
	}
	at = write_number(at, number / 1000);
	must(yajl_gen_number(line->gen, at, (size_t)(end - at)));
}

void json_bool(struct json_line *line, bool value)
{
	must(yajl_gen_bool(line->gen, value));
}

void json_true(struct json_line *line)
{
	json_bool(line, true);
}

/* yajl_gen_number() copies its text: that saves yajl_gen_string() searching for bytes to escape. */
void json_word(struct json_line *line, const char *word, size_t length)
{
	char quoted[WORD_MAX + 2];

	assert(length <= WORD_MAX);
	quoted[0] = '"';
	memcpy(quoted + 1, word, length);
	quoted[length + 1] = '"';
	must(yajl_gen_number(line->gen, quoted, length + 2));
}

void json_bytes(struct json_line *line, const char *bytes, size_t length)
{
	char safe[ESCAPE_JSON_SIZE(BYTES_MAX)];

	if (!escape_is_utf8(bytes, length)) {
		length = escape_json(safe, sizeof(safe), bytes, length);
		bytes = safe;
	}
	must(yajl_gen_string(line->gen, (const unsigned char *)bytes, length));
}

void json_text(struct json_line *line, const char *text)
{
	json_bytes(line, text, strlen(text));
}
