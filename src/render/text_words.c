/* SPDX-License-Identifier: GPL-2.0-only */
/* Parts of text lines: text_words.h. */
#include "render/text_words.h"

#include <stdio.h>
#include <string.h>

#include "render/format_number.h"
#include "render/names.h"

#define CONTAINER_SHOWN 12 /* digits, as docker ps shows it */

void text_comm(struct text_line *line, const char *comm, bool is_cut)
{
	struct text_line name = {};

	text_line_bytes(&name, comm, strnlen(comm, sizeof(((struct wire_task *)0)->comm)));
	text_line_cut(&name, is_cut ? COMM_COLUMNS : 0);
	text_line_append(line, &name);
}

void text_who(struct text_line *line, const char *comm, uint32_t pid)
{
	text_line_bytes(line, comm, strnlen(comm, sizeof(((struct wire_task *)0)->comm)));
	text_line_format(line, pid & WIRE_PID_OUTSIDE ? "[host pid %u]" : "[%u]", pid & ~WIRE_PID_OUTSIDE);
}

void text_netns(struct text_line *line, const struct render_options *options, uint32_t netns)
{
	const char *name = options->netns_name ? options->netns_name(netns) : NULL;

	if (name)
		text_line_bytes(line, name, strlen(name));
	else
		text_line_format(line, "%u", netns);
}

static bool is_its_user(const struct process *process, const struct wire_task *task)
{
	/* A process may have changed its uid since its facts were read. */
	return process && process->user[0] && process->task.uid == task->uid;
}

void text_user(struct text_line *line, const char *before_uid, const struct wire_task *task,
	       const struct process *process)
{
	if (is_its_user(process, task))
		text_line_bytes(line, process->user, strlen(process->user));
	else if (task->uid == 0)
		text_line_add(line, "root");
	else
		text_line_format(line, "%s%u", before_uid, task->uid);
}

void text_process(struct text_line *line, const struct wire_task *task, const struct process *process,
		  uint64_t now_boot_ns)
{
	char duration[NUMBER_SIZE];

	text_line_add(line, " ");
	text_user(line, "uid ", task, process);
	if (task->start_boot_ns && task->start_boot_ns < now_boot_ns) {
		format_age(now_boot_ns - task->start_boot_ns, duration);
		text_line_format(line, ", up %s", duration);
	}
}

/* The command line, where it says more than the name. */
static void add_command(struct text_line *line, const struct process *process)
{
	const char *cmdline = process->cmdline;

	if (!*cmdline || strncmp(cmdline, process->task.comm, sizeof(process->task.comm)) == 0)
		return;
	text_line_add(line, process->has_execed ? "now runs \"" : "\"");
	text_line_bytes(line, cmdline, strlen(cmdline));
}

/* What follows a home directory in the path, "" or "/shop"; NULL: it is not in the home of the process's user. */
static const char *below_home(const struct process *process)
{
	char home[sizeof("/home/") + sizeof(process->user)];
	size_t length;

	if (!process->user[0])
		return NULL;
	length = (size_t)snprintf(home, sizeof(home), strcmp(process->user, "root") ? "/home/%s" : "/%s", process->user);
	if (strncmp(process->cwd, home, length) || (process->cwd[length] && process->cwd[length] != '/'))
		return NULL;
	return process->cwd + length;
}

/* The directory. That of a daemon is "/", which says nothing. */
static void add_directory(struct text_line *line, const struct process *process)
{
	const char *below = below_home(process), *shown = below ? below : process->cwd;

	if (!process->cwd[0] || !strcmp(process->cwd, "/"))
		return;
	text_line_add(line, below ? "in ~" : "in ");
	text_line_bytes(line, shown, strlen(shown));
}

/* What started it. Process 1 also becomes the parent of every process whose own has exited. */
static void add_parent(struct text_line *line, const struct process *process)
{
	const struct wire_parent *parent = &process->parents[0];

	if (parent->pid <= 1)
		return;
	text_line_add(line, "by ");
	text_who(line, parent->comm, parent->pid);
}

static void append_with(struct text_line *line, const char *between, const struct text_line *part)
{
	if (line->length > 0 && part->length > 0)
		text_line_add(line, between);
	text_line_append(line, part);
}

void text_program(struct text_line *line, const struct process *process, size_t room)
{
	struct text_line command = {}, directory = {}, parent = {};
	size_t taken;

	add_command(&command, process);
	add_directory(&directory, process);
	add_parent(&parent, process);
	text_line_cut(&directory, room / 2);
	/* A long command line gives way to the directory. */
	taken = directory.length ? directory.columns + 1 : 0;
	if (command.length) {
		text_line_cut(&command, room - taken - 1);
		text_line_add(&command, "\"");
	}
	text_line_append(line, &command);
	append_with(line, " ", &directory);
	if (line->columns + 2 + parent.columns <= room)
		append_with(line, ", ", &parent);
}

void text_item(struct text_line *line)
{
	if (line->length > 0)
		text_line_add(line, ", ");
}

static void add_options(struct text_line *line, uint32_t flags)
{
	const char *names[OPTION_NAMES_MAX];
	size_t count = option_names(flags, names);

	for (size_t i = 0; i < count; i++) {
		text_item(line);
		text_line_add(line, names[i]);
	}
}

void text_options(struct text_line *line, const struct wire_sock *sk)
{
	/* The address says it: "[::]:80" is IPv6 only, and with any other address it means nothing. */
	add_options(line, sk->flags & ~WIRE_V6ONLY);
}

void text_sharing_options(struct text_line *line, const struct wire_sock *sk)
{
	uint32_t flags = sk->flags & (WIRE_REUSEADDR | WIRE_REUSEPORT);

	/* A listener shares its port by SO_REUSEPORT only. UDP sockets are never in this state. */
	if (sk->state == WIRE_TCP_LISTEN)
		flags &= ~WIRE_REUSEADDR;
	add_options(line, flags);
}

void text_interface(struct text_line *line, const char *interface)
{
	if (!interface || !interface[0])
		return;
	text_item(line);
	text_line_add(line, "on ");
	text_line_bytes(line, interface, strlen(interface));
}

void text_place(struct text_line *line, const struct render_options *options, const struct process *process)
{
	const char *name;

	if (!process)
		return;
	/* The unit of a container has its whole id in its name. */
	if (process->unit[0] && !(process->container[0] && strstr(process->unit, process->container))) {
		text_item(line);
		text_line_bytes(line, process->unit, strlen(process->unit));
	}
	if (process->container[0]) {
		name = options->container_name ? options->container_name(process->container) : NULL;
		text_item(line);
		text_line_add(line, "container ");
		text_line_bytes(line, name ? name : process->container,
				name ? strlen(name) : strnlen(process->container, CONTAINER_SHOWN));
	}
}

void text_failed(struct text_line *line, uint64_t count)
{
	char text[NUMBER_SIZE];

	if (!count)
		return;
	format_count(count, text);
	text_line_add(line, "  ");
	text_line_mark(line, STYLE_FAILED, text);
	text_line_add(line, " failed");
	line->mark_end = line->length;
}
