/* SPDX-License-Identifier: GPL-2.0-only */
/* The explanation below a failure: who has the port, the kernel's rule, what helps. */
#include "render/text_conflict.h"

#include <string.h>

#include "render/format_number.h"
#include "render/names.h"
#include "render/text_words.h"
#include "util/address.h"
#include "util/escape.h"

#define HOLDERS_SHOWN  3
#define OTHERS_SHOWN   3
#define REMEDIES_SHOWN 3

/* All are children of the first and have its name: shown as "N workers". */
static bool are_workers(const struct holder *holder)
{
	for (size_t i = 1; i < holder->pid_count; i++) {
		const struct wire_task *task = &holder->pids[i], *first = &holder->pids[0];

		if (task->ppid != first->pid || memcmp(task->comm, first->comm, sizeof(task->comm)))
			return false;
	}
	return true;
}

static void add_processes(struct text_line *line, const struct holder *holder, uint64_t now_boot_ns)
{
	size_t others = holder->pid_count - 1 + holder->pid_more;
	size_t shown = 0;

	text_line_mark_from(line, STYLE_HOLDER, line->length);
	text_who(line, holder->pids[0].comm, holder->pids[0].pid);
	line->mark_end = line->length;
	text_process(line, &holder->pids[0], holder->process, now_boot_ns);
	if (others == 0)
		return;
	if (are_workers(holder)) {
		text_line_format(line, ", %zu worker%s", others, others == 1 ? "" : "s");
		return;
	}
	for (size_t i = 1; i < holder->pid_count && shown < OTHERS_SHOWN; i++, shown++) {
		text_line_add(line, ", ");
		text_who(line, holder->pids[i].comm, holder->pids[i].pid);
	}
	if (others > shown)
		text_line_format(line, " +%zu", others - shown);
}

static void add_holder(struct text_line *line, const struct holder *holder, uint64_t now_boot_ns)
{
	if (holder->pid_count > 0) {
		add_processes(line, holder, now_boot_ns);
	} else if (holder->sock.flags & WIRE_KERNEL_OWNED) {
		text_line_add(line, "the kernel");
	} else if (holder->owner.pid) {
		text_line_add(line, "no process, left by ");
		text_who(line, holder->owner.comm, holder->owner.pid);
		if (holder->owner_gone)
			text_line_add(line, " (exited)");
	} else if (holder->sock.state == WIRE_TCP_TIME_WAIT || holder->sock.flags & WIRE_ORPHAN) {
		text_line_add(line, "no process");
	} else {
		text_line_format(line, "a process of uid %u", holder->sock.uid);
	}
}

static void add_socket(struct text_line *line, const struct holder *holder, uint16_t protocol)
{
	const struct wire_sock *sk = &holder->sock;
	const char *state = state_name(sk->state, holder->substate);
	char address[ADDRESS_PORT_SIZE], name[PROTOCOL_NAME_SIZE];

	text_line_add(line, ":");
	if (sk->protocol != protocol)
		text_line_format(line, " %s", protocol_name(sk->protocol, name));
	if (state)
		text_line_format(line, " %s", state);
	address_format_bound(sk->local_addr, sk->local_port, sk->flags & WIRE_V6ONLY, address);
	text_line_format(line, " %s", address);
	if (sk->remote_port) {
		address_format_port(sk->remote_addr, sk->remote_port, address);
		text_line_format(line, " -> %s", address);
	}
}

static void add_times(struct text_line *line, const struct holder *holder, uint64_t now_boot_ns)
{
	char duration[NUMBER_SIZE];

	if (holder->sock.state == WIRE_TCP_TIME_WAIT && holder->expires_ms) {
		format_left(holder->expires_ms * 1000000ULL, duration);
		text_line_format(line, ", %s left", duration);
	} else if (holder->since_boot_ns && now_boot_ns > holder->since_boot_ns) {
		format_duration(now_boot_ns - holder->since_boot_ns, duration);
		text_line_format(line, " for %s", duration);
	}
}

void text_holder(struct text_line *line, const struct render_options *options, const struct holder *holder,
		 const struct report *report)
{
	add_holder(line, holder, report->event->boot_ns);
	add_socket(line, holder, report->sock->protocol);
	add_times(line, holder, report->event->boot_ns);
	text_place(line, options, holder->process);
	text_interface(line, holder->interface);
	text_sharing_options(line, &holder->sock);
}

void text_put_program(struct render *render, const struct holder *holder)
{
	struct text_line line = {};

	if (holder->owner_gone || !holder->process)
		return;
	text_program(&line, holder->process, text_note_room(render));
	text_note(render, "", &line);
}

static void put_holder(struct render *render, const char *label, const struct holder *holder,
		       const struct report *report)
{
	struct text_line line = {};

	text_holder(&line, &render->options, holder, report);
	text_note(render, label, &line);
	text_put_program(render, holder);
}

static void put_holders(struct render *render, const struct report *report)
{
	const struct conflict *conflict = report->conflict;
	size_t shown = conflict->holder_count < HOLDERS_SHOWN ? conflict->holder_count : HOLDERS_SHOWN;

	for (size_t i = 0; i < shown; i++)
		put_holder(render, i ? "" : conflict->of_servers ? "server" : "in use", conflict->holders[i], report);
	text_note_more(render, conflict->holder_count + conflict->holder_more - shown);
}

/* A name in a command may have bytes that a terminal obeys, which a shell needs unescaped. */
static bool is_safe(const char *command)
{
	char text[sizeof(((struct remedy *)NULL)->command)], escaped[ESCAPE_TERMINAL_SIZE(sizeof(text))];
	size_t length = 0;

	for (; *command && length < sizeof(text); command++) {
		if (*command != '\\')
			text[length++] = *command;
	}
	return escape_terminal(escaped, sizeof(escaped), text, length) == length;
}

/* When it helps, as a comment of the shell. */
static void add_effect(struct text_line *line, const struct remedy *remedy)
{
	switch (remedy->effect) {
	case REMEDY_NOW:
	case REMEDY_RESTART:
		break;
	case REMEDY_AFTER:
		text_line_format(line, "  # helps after %u s", remedy->after_s);
		break;
	case REMEDY_PREVENTS:
		text_line_add(line, "  # helps the next time");
		break;
	}
}

static void put_remedy(struct render *render, const char *label, const struct remedy *remedy)
{
	bool is_command = remedy->command[0] && is_safe(remedy->command);
	struct text_line line = {};

	text_line_mark(&line, STYLE_REMEDY, is_command ? remedy->command : remedy->text);
	if (!is_command) {
		text_note(render, label, &line);
		return;
	}
	add_effect(&line, remedy);
	text_note_command(render, label, &line);
}

void text_conflict(struct render *render, const struct report *report)
{
	const struct conflict *conflict = report->conflict;

	put_holders(render, report);
	text_note_words(render, "rule", conflict->why);
	for (size_t i = 0; i < conflict->note_count; i++)
		text_note_words(render, "note", conflict->notes[i].text);
	for (size_t i = 0; i < conflict->remedy_count && i < REMEDIES_SHOWN; i++)
		put_remedy(render, i == 0 ? "do" : "or", &conflict->remedies[i]);
	if (!conflict->remedy_count)
		text_note_words(render, "do", conflict->fix);
}
