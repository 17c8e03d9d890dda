/* SPDX-License-Identifier: GPL-2.0-only */
/* The notes, a row each: when it holds, and its sentence. The sentence is empty where it does not hold. */
#include "diagnose/note.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "diagnose/interpreter.h"
#include "diagnose/rules.h"
#include "diagnose/sentence.h"

#define RESTARTS_MIN 3 /* processes, from which on it is a loop */

/* ---- the port was reserved by bind() to port 0 and lost ------------------------------------------------ */

/*
 * A process reserves a port for itself, for what it starts, or, as $(find-free-port) does in a shell, for its parent and
 * what that starts. Process 1 is the parent of programs that have nothing to do with each other.
 */
static bool reserved_for(const struct finding *f, const struct reservation *reserved, const struct wire_task *task)
{
	const struct wire_task *by = &reserved->task;

	return task->pid == by->pid || task_has_parent(f, task, by->pid) ||
	       (by->ppid > 1 && (task->pid == by->ppid || task->ppid == by->ppid));
}

static void reservation_lost(const struct finding *f, char *out)
{
	const struct wire_task *caller = &f->claim->task, *taker;
	const struct reservation *reserved;

	if (!f->holder || !f->model || !caller->pid)
		return;
	reserved = model_reservation(f->model, &f->claim->sock, f->now_boot_ns);
	taker = holder_task(f->holder);
	if (!reserved || !taker->pid || f->holder->since_boot_ns < reserved->closed_boot_ns ||
	    !reserved_for(f, reserved, caller) || reserved_for(f, reserved, taker))
		return;
	sentence_append(out, "%s held port %u until %s ago, then %s %s it: keep that socket open and hand it over, or bind "
			"to port 0 again.",
			task_name(&reserved->task).s, reserved->port,
			duration_text(f->now_boot_ns - reserved->closed_boot_ns).s, task_name(taker).s,
			f->holder->sock.flags & WIRE_PORT_EPHEMERAL ? "was given" : "took");
}

/* ---- the caller has the socket itself ------------------------------------------------------------------- */

static const struct holder *holder_of_caller(const struct finding *f, size_t *index)
{
	uint32_t pid = f->claim->task.pid;

	for (size_t i = 0; pid && i < f->holder_count; i++) {
		for (*index = 0; *index < f->holders[i]->pid_count; ++*index) {
			if (f->holders[i]->pids[*index].pid == pid)
				return f->holders[i];
		}
	}
	return NULL;
}

static void caller_has_it(const struct finding *f, char *out)
{
	size_t index;
	const struct holder *holder = holder_of_caller(f, &index);
	const char *kind;

	if (!holder)
		return;
	kind = holder->sock.state == WIRE_TCP_LISTEN ? "listener" : "socket";
	if (holder->fds[index] >= 0 && holder->fds[index] != WIRE_FDLESS)
		sentence_append(out, "fd %d of %s is this %s already.", holder->fds[index], the_caller(f).s, kind);
	else
		sentence_append(out, "%s has this %s already.", the_caller(f).s, kind);
}

/* ---- the same program runs already ----------------------------------------------------------------------- */

/* A process and those that it started are one instance. */
static bool is_other_instance(const struct finding *f, const struct wire_task *task)
{
	const struct wire_task *caller = &f->claim->task;
	const struct process *mine = process_of(f, caller), *other = process_of(f, task);

	return mine && other && task->pid != caller->pid && process_is_same_program(mine, other) &&
	       !task_has_parent(f, caller, task->pid) && !task_has_parent(f, task, caller->pid);
}

/* A client's port says nothing about which program serves. */
static bool is_server(const struct wire_sock *sock)
{
	if (sock_is_udp(sock) && sock->flags & WIRE_PORT_EPHEMERAL)
		return false;
	return !sock_is_connected(sock) || sock->flags & WIRE_ACCEPTED;
}

static void append_instance(const struct finding *f, const struct wire_task *task, char *out)
{
	uint64_t start = task->start_boot_ns;

	sentence_append(out, "%s runs the same program", task_name(task).s);
	if (start && start < f->now_boot_ns)
		sentence_append(out, ", for %s", duration_text(f->now_boot_ns - start).s);
	sentence_append(out, ": reload or stop that one.");
}

static void second_instance(const struct finding *f, char *out)
{
	size_t index;

	if (holder_of_caller(f, &index))
		return;
	for (size_t i = 0; i < f->holder_count; i++) {
		for (size_t j = 0; is_server(&f->holders[i]->sock) && j < f->holders[i]->pid_count; j++) {
			if (!is_other_instance(f, &f->holders[i]->pids[j]))
				continue;
			append_instance(f, &f->holders[i]->pids[j], out);
			return;
		}
	}
}

/* ---- it fails again and again ------------------------------------------------------------------------------ */

static const struct repeat *repeat_of(const struct finding *f)
{
	if (!f->model || !f->claim->error)
		return NULL;
	return model_repeat(f->model, &f->claim->sock, &f->claim->task, f->claim->error);
}

static void restart_loop(const struct finding *f, char *out)
{
	const struct repeat *repeat = repeat_of(f);

	if (repeat && repeat->processes >= RESTARTS_MIN)
		sentence_append(out, "%s has failed so on port %u %s times in %s, in %s processes: something starts it again.",
				escaped(repeat->comm).s, repeat->port, with_commas(repeat->count).s,
				duration_text(repeat->last_boot_ns - repeat->first_boot_ns).s,
				with_commas(repeat->processes).s);
}

static const struct {
	const char *id;
	sentence_fn *write;
} rows[] = {
	{"reservation-lost", reservation_lost},
	{"caller-has-it", caller_has_it},
	{"second-instance", second_instance},
	{"restart-loop", restart_loop},
};

_Static_assert(sizeof(rows) / sizeof(rows[0]) == CONFLICT_NOTES_MAX, "every note may hold at once");

void note_find(const struct finding *f, struct conflict *conflict)
{
	const struct repeat *repeat = repeat_of(f);

	conflict->note_count = 0;
	conflict->repeat = repeat ? repeat->count : 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct note *note = &conflict->notes[conflict->note_count];

		note->id = rows[i].id;
		note->text[0] = '\0';
		rows[i].write(f, note->text);
		conflict->note_count += note->text[0] != '\0';
	}
}
