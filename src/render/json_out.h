/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of the JSON format: its state, and parts of several records. */
#ifndef PORTTRACE_RENDER_JSON_OUT_H
#define PORTTRACE_RENDER_JSON_OUT_H

#include <stdint.h>

#include "render/json_line.h"
#include "render/renderer.h"
#include "util/time_format.h"

#define SCHEMA_VERSION 1

struct render {
	struct json_line *line;
	struct render_options options;
	struct time_cache event_time, since_time; /* two, because each caches one second */
	uint64_t start_boot_ns;
};

/* A record up to its time; the caller ends it with json_line_end(). */
void json_begin(struct render *render, uint64_t boot_ns);
/* The same, up to the name of the event. */
void json_begin_event(struct render *render, uint64_t boot_ns, const char *event);
/* Adds the fields of fields.c that `lines` (FIELD_OF_...) have. */
void json_fields(struct render *render, const struct report *report, unsigned int lines);

/* These add to a map that the caller opened. */
void json_put_number(struct json_line *line, const char *key, uint64_t number);
/* "range":[low,high], a range of ports. */
void json_put_range(struct json_line *line, uint32_t low, uint32_t high);
/* NULL and "": adds nothing. */
void json_put_text(struct json_line *line, const char *key, const char *text);
/* "pid" and "comm" */
void json_task(struct json_line *line, const struct wire_task *task);
/* A process with what `processes` knows about it. */
void json_process(struct render *render, const struct wire_task *task, const struct process_table *processes);

#endif
