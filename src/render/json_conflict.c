/* SPDX-License-Identifier: GPL-2.0-only */
/* The conflict of a failure in JSON: cause, sentences, and the sockets that hold the port. */
#include "render/json_conflict.h"

#include <string.h>

#include "diagnose/remedy.h"
#include "render/fields.h"
#include "render/json_out.h"

static void put_process(struct render *render, const struct wire_task *task, const struct conflict *conflict, bool is_gone)
{
	json_open_map(render->line);
	json_process(render, task, conflict->processes);
	if (is_gone) {
		JSON_KEY(render->line, "gone");
		json_true(render->line);
	}
	json_close_map(render->line);
}

static void put_holder_processes(struct render *render, const struct holder *holder, const struct conflict *conflict)
{
	struct json_line *line = render->line;

	if (holder->pid_count || holder->owner.pid) {
		JSON_KEY(line, "pids");
		json_open_list(line);
		for (size_t i = 0; i < holder->pid_count; i++)
			put_process(render, &holder->pids[i], conflict, false);
		if (!holder->pid_count)
			put_process(render, &holder->owner, conflict, holder->owner_gone);
		json_close_list(line);
	}
	if (holder_has_owner(holder)) {
		JSON_KEY(line, "owner");
		put_process(render, &holder->owner, conflict, holder->owner_gone);
	}
}

/* A holder has the fields of a socket, so it is written as a wire_socket event. */
static void put_holder(struct render *render, const struct holder *holder, const struct conflict *conflict)
{
	const struct wire_socket socket = {
		.hdr = { .size = sizeof(socket), .kind = WIRE_SOCKET },
		.sock = holder->sock,
		.since_boot_ns = holder->since_boot_ns,
		.expires_ms = holder->expires_ms,
		.backlog = holder->backlog,
		.substate = holder->substate,
	};
	const struct report report = {
		.event = &socket.hdr,
		.sock = &socket.sock,
		.interface = holder->interface,
	};

	json_open_map(render->line);
	json_fields(render, &report, FIELD_OF_HOLDER);
	put_holder_processes(render, holder, conflict);
	json_close_map(render->line);
}

static void put_text(struct json_line *line, const char *key, size_t key_length, const char *text)
{
	if (!*text)
		return;
	json_key(line, key, key_length);
	json_text(line, text);
}

#define PUT_TEXT(line, key, text) put_text(line, key, sizeof(key) - 1, text)

static void put_remedies(struct json_line *line, const struct conflict *conflict)
{
	if (!conflict->remedy_count)
		return;
	JSON_KEY(line, "remedies");
	json_open_list(line);
	for (size_t i = 0; i < conflict->remedy_count; i++) {
		const struct remedy *remedy = &conflict->remedies[i];

		json_open_map(line);
		PUT_TEXT(line, "action", remedy_action_name(remedy->action));
		PUT_TEXT(line, "text", remedy->text);
		PUT_TEXT(line, "command", remedy->command);
		PUT_TEXT(line, "option", remedy->option);
		PUT_TEXT(line, "value", remedy->value);
		PUT_TEXT(line, "effect", remedy_effect_name(remedy->effect));
		if (remedy->effect == REMEDY_AFTER) {
			JSON_KEY(line, "after_s");
			json_number(line, remedy->after_s);
		}
		json_close_map(line);
	}
	json_close_list(line);
}

static void put_notes(struct json_line *line, const struct conflict *conflict)
{
	if (conflict->note_count) {
		JSON_KEY(line, "notes");
		json_open_list(line);
		for (size_t i = 0; i < conflict->note_count; i++)
			json_text(line, conflict->notes[i].id);
		json_close_list(line);
	}
	if (conflict->repeat > 1) {
		JSON_KEY(line, "repeat");
		json_number(line, conflict->repeat);
	}
}

void json_conflict(struct render *render, const struct conflict *conflict)
{
	struct json_line *line = render->line;

	if (conflict->cause) {
		JSON_KEY(line, "cause");
		json_text(line, conflict->cause);
	}
	if (conflict->why[0]) {
		JSON_KEY(line, "why");
		json_text(line, conflict->why);
	}
	if (conflict->fix[0]) {
		JSON_KEY(line, "fix");
		json_text(line, conflict->fix);
	}
	put_remedies(line, conflict);
	put_notes(line, conflict);
	if (conflict->cause && !conflict->predicted) {
		JSON_KEY(line, "predicted");
		json_bool(line, false);
	}
	JSON_KEY(line, "holders");
	json_open_list(line);
	for (size_t i = 0; i < conflict->holder_count; i++)
		put_holder(render, conflict->holders[i], conflict);
	json_close_list(line);
}
