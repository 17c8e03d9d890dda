/* SPDX-License-Identifier: GPL-2.0-only */
/* Process names, addresses, numbers and times as parts of sentences. */
#include "diagnose/sentence.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "diagnose/rules.h"
#include "util/address.h"
#include "util/escape.h"

/* Removes a UTF-8 character that was cut at the end. */
static void trim_partial(char *text, size_t length)
{
	while (length && !escape_is_utf8(text, length))
		text[--length] = '\0';
}

void sentence_append(char *out, const char *format, ...)
{
	size_t length = strlen(out);
	va_list args;
	int wanted;

	va_start(args, format);
	wanted = vsnprintf(out + length, SENTENCE_SIZE - length, format, args);
	va_end(args);
	if (wanted > 0 && (size_t)wanted >= SENTENCE_SIZE - length)
		trim_partial(out, SENTENCE_SIZE - 1);
}

static struct phrase __attribute__((format(printf, 1, 2))) phrase(const char *format, ...)
{
	struct phrase made;
	va_list args;
	int wanted;

	va_start(args, format);
	wanted = vsnprintf(made.s, sizeof(made.s), format, args);
	va_end(args);
	if (wanted > 0 && (size_t)wanted >= sizeof(made.s))
		trim_partial(made.s, sizeof(made.s) - 1);
	return made;
}

struct phrase escaped(const char *bytes)
{
	struct phrase made;

	escape_terminal(made.s, sizeof(made.s), bytes, strlen(bytes));
	return made;
}

static struct phrase escaped_comm(const struct wire_task *task)
{
	struct phrase comm;

	escape_terminal(comm.s, sizeof(comm.s), task->comm,
			strnlen(task->comm, sizeof(task->comm)));
	return comm.s[0] ? comm : phrase("process");
}

struct phrase task_name(const struct wire_task *task)
{
	if (task->pid & WIRE_PID_OUTSIDE)
		return phrase("%s[host pid %" PRIu32 "]", escaped_comm(task).s, task->pid & ~WIRE_PID_OUTSIDE);
	return phrase("%s[%" PRIu32 "]", escaped_comm(task).s, task->pid);
}

const struct wire_task *holder_task(const struct holder *holder)
{
	if (!holder->pid_count)
		return &holder->owner;
	for (size_t i = 0; i < holder->pid_count; i++) {
		if (holder->pids[i].pid == holder->owner.pid)
			return &holder->pids[i];
	}
	return &holder->pids[0];
}

struct phrase holder_name(const struct finding *f)
{
	const struct wire_task *task = f->holder ? holder_task(f->holder) : NULL;

	if (task && task->pid)
		return task_name(task);
	if (f->holder && f->holder->sock.unknown & WIRE_UNKNOWN_PROCESS)
		return phrase("a process of uid %" PRIu32, f->holder->sock.uid);
	return phrase(f->claim->in_pid_namespace ? "a process outside this pid namespace" : "an unknown process");
}

struct phrase the_holder(const struct finding *f)
{
	size_t more = f->holder && f->holder->pid_count
			      ? f->holder->pid_count - 1 + f->holder->pid_more
			      : 0;

	if (!more)
		return holder_name(f);
	return phrase("%s (with %zu more %s)", holder_name(f).s, more, more == 1 ? "process" : "processes");
}

struct phrase the_caller(const struct finding *f)
{
	return f->claim->task.pid ? task_name(&f->claim->task) : phrase("the caller");
}

struct phrase endpoint(const uint8_t addr[16], uint16_t port)
{
	char text[ADDRESS_PORT_SIZE];

	address_format_port(addr, port, text);
	return phrase("%s", text);
}

struct phrase address_text(const uint8_t addr[16])
{
	char text[ADDRESS_SIZE];

	address_format(addr, text);
	return phrase("%s", text);
}

struct phrase bound_endpoint(const struct wire_sock *sock)
{
	char text[ADDRESS_PORT_SIZE];

	address_format_bound(sock->local_addr, sock->local_port, sock->flags & WIRE_V6ONLY, text);
	return phrase("%s", text);
}

static struct phrase local_endpoint(const struct wire_sock *sock)
{
	return phrase("%s%s", sock_is_udp(sock) ? "UDP " : "", bound_endpoint(sock).s);
}

struct phrase holder_endpoint(const struct finding *f)
{
	return local_endpoint(&f->holder->sock);
}

struct phrase holder_peer(const struct finding *f)
{
	return endpoint(f->holder->sock.remote_addr, f->holder->sock.remote_port);
}

struct phrase claim_endpoint(const struct finding *f)
{
	return local_endpoint(&f->claim->sock);
}

struct phrase claim_peer(const struct finding *f)
{
	return endpoint(f->claim->sock.remote_addr, f->claim->sock.remote_port);
}

struct phrase with_commas(uint64_t n)
{
	if (n < 1000)
		return phrase("%" PRIu64, n);
	return phrase("%s,%03" PRIu64, with_commas(n / 1000).s, n % 1000);
}

struct phrase time_left(uint32_t ms)
{
	uint32_t seconds = ms / 1000 + (ms % 1000 ? 1 : 0);

	if (!ms)
		return phrase("up to %u more seconds", TIMEWAIT_LONGEST_MS / 1000);
	return phrase("%" PRIu32 " more second%s", seconds, seconds == 1 ? "" : "s");
}

struct phrase duration_text(uint64_t ns)
{
	uint64_t ms = ns / 1000000;

	if (ms < 100)
		return phrase("%" PRIu64 " ms", ms);
	if (ms < 60 * 1000)
		return phrase("%" PRIu64 ".%" PRIu64 " s", ms / 1000, ms / 100 % 10);
	if (ms < 120 * 60 * 1000)
		return phrase("%" PRIu64 " min", ms / 60000);
	if (ms < 48 * 3600 * 1000)
		return phrase("%" PRIu64 " h", ms / 3600000);
	return phrase("%s days", with_commas(ms / 86400000).s);
}

struct phrase time_ago(const struct finding *f, uint64_t since)
{
	if (!since || since > f->now_boot_ns)
		return phrase("%s", "");
	return phrase(" %s ago", duration_text(f->now_boot_ns - since).s);
}

struct phrase bound_ago(const struct finding *f)
{
	return time_ago(f, f->holder->since_boot_ns);
}

const struct process *process_of(const struct finding *f, const struct wire_task *task)
{
	if (!f->model || !task->pid)
		return NULL;
	return process_table_find(model_processes(f->model), task->pid, task->start_boot_ns);
}

bool task_has_parent(const struct finding *f, const struct wire_task *task, uint32_t pid)
{
	const struct process *process = process_of(f, task);

	if (task->ppid == pid)
		return true;
	for (size_t i = 0; process && i < WIRE_PARENTS_MAX && process->parents[i].pid; i++) {
		if (process->parents[i].pid == pid)
			return true;
	}
	return false;
}

struct phrase user_phrase(const struct finding *f, uint32_t uid, const struct wire_task *task)
{
	const struct process *process = process_of(f, task);
	struct phrase phrase = {"user root"}, name;

	if (process && process->user[0] && process->task.uid == uid) {
		name = escaped(process->user);
		snprintf(phrase.s, sizeof(phrase.s), "user %.180s", name.s);
	} else if (uid) {
		snprintf(phrase.s, sizeof(phrase.s), "uid %u", uid);
	}
	return phrase;
}
