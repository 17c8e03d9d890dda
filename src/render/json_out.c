/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of the JSON format: json_out.h. */
#include "render/json_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "render/fields.h"

static void put_time(struct render *render, struct time_cache *cache, uint64_t boot_ns)
{
	char text[TIME_FORMAT_SIZE];
	size_t length = time_format_iso(cache, render_wall_ns(&render->options, boot_ns), text);

	json_word(render->line, text, length);
}

void json_begin(struct render *render, uint64_t boot_ns)
{
	struct json_line *line = render->line;

	json_line_begin(line);
	JSON_KEY(line, "v");
	json_number(line, SCHEMA_VERSION);
	JSON_KEY(line, "time");
	put_time(render, &render->event_time, boot_ns);
}

void json_begin_event(struct render *render, uint64_t boot_ns, const char *event)
{
	struct json_line *line = render->line;

	json_begin(render, boot_ns);
	JSON_KEY(line, "boot_ns");
	json_number(line, boot_ns);
	JSON_KEY(line, "event");
	json_word(line, event, strlen(event));
}

static void put_parents(struct json_line *line, const struct wire_parent *parents)
{
	char text[sizeof(parents->comm) + 16];

	json_open_list(line);
	for (size_t i = 0; i < WIRE_PARENTS_MAX && parents[i].pid; i++) {
		snprintf(text, sizeof(text), "%s[%" PRIu32 "]", parents[i].comm, parents[i].pid);
		json_text(line, text);
	}
	json_close_list(line);
}

static void put_value(struct render *render, enum field_type type, const struct field_value *value)
{
	struct json_line *line = render->line;

	switch (type) {
	case FIELD_NUMBER:
		json_number(line, value->number);
		break;
	case FIELD_TRUE:
		json_true(line);
		break;
	case FIELD_WORD:
		json_word(line, value->text, value->length);
		break;
	case FIELD_BYTES:
		json_bytes(line, value->text, value->length);
		break;
	case FIELD_WORDS:
		json_open_list(line);
		for (size_t i = 0; i < value->word_count; i++)
			json_word(line, value->words[i], strlen(value->words[i]));
		json_close_list(line);
		break;
	case FIELD_PROCESSES:
		put_parents(line, value->parents);
		break;
	case FIELD_BOOT_TIME:
		put_time(render, &render->since_time, value->number);
		break;
	case FIELD_MILLISECONDS:
		json_thousandths(line, value->number);
		break;
	}
}

void json_fields(struct render *render, const struct report *report, unsigned int lines)
{
	for (size_t i = 0; i < field_count; i++) {
		const struct field *field = &fields[i];
		struct field_value value;

		value.options = &render->options;
		if (!(field->lines & lines) || !field->get(report, &value))
			continue;
		json_key(render->line, field->name, field->name_length);
		put_value(render, field->type, &value);
	}
}

void json_put_number(struct json_line *line, const char *key, uint64_t number)
{
	json_key(line, key, strlen(key));
	json_number(line, number);
}

void json_put_range(struct json_line *line, uint32_t low, uint32_t high)
{
	JSON_KEY(line, "range");
	json_open_list(line);
	json_number(line, low);
	json_number(line, high);
	json_close_list(line);
}

void json_put_text(struct json_line *line, const char *key, const char *text)
{
	if (!text || !text[0])
		return;
	json_key(line, key, strlen(key));
	json_text(line, text);
}

void json_task(struct json_line *line, const struct wire_task *task)
{
	size_t length = strnlen(task->comm, sizeof(task->comm));

	/* Outside the pid namespace that porttrace runs in. */
	json_put_number(line, task->pid & WIRE_PID_OUTSIDE ? "host_pid" : "pid", task->pid & ~WIRE_PID_OUTSIDE);
	if (length > 0) {
		JSON_KEY(line, "comm");
		json_bytes(line, task->comm, length);
	}
}

void json_process(struct render *render, const struct wire_task *task, const struct process_table *processes)
{
	const struct report report = {
		.task = task,
		.process = process_table_find(processes, task->pid, task->start_boot_ns),
	};

	json_fields(render, &report, FIELD_OF_PROCESS);
}
