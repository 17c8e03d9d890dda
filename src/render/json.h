/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the JSON format share: its state, and the parts that several records have. */
#ifndef PORTTRACE_RENDER_JSON_H
#define PORTTRACE_RENDER_JSON_H

#include <stdint.h>

#include "render/json_line.h"
#include "render/render.h"
#include "util/time_format.h"

#define SCHEMA_VERSION 1

struct render {
	struct json_line *line;
	struct render_options options;
	struct time_cache event_time, since_time; /* apart: each keeps its own second */
	uint64_t start_boot_ns;
};

/* json.c: a record up to its time; the caller ends it with json_line_end() */
void json_begin(struct render *render, uint64_t boot_ns);
/* Likewise, with the name of an event. */
void json_begin_event(struct render *render, uint64_t boot_ns, const char *event);
void json_put_number(struct json_line *line, const char *key, uint64_t number);
/* The rows of fields.c that these lines show (FIELD_OF_...). */
void json_fields(struct render *render, const struct report *report, unsigned int lines);

/* json_conflict.c: both write into a map that the caller opened */
void json_task(struct json_line *line, const struct wire_task *task);
void json_conflict(struct render *render, const struct conflict *conflict);

/* json_churn.c */
void json_churn(struct render *render, const struct churn *churn, struct model *model, uint64_t boot_ns);
void json_warning(struct render *render, const struct warning *warning, uint64_t boot_ns);

/* json_why.c */
void json_why(struct render *render, const struct why_report *report);

#endif
