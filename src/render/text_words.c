/* SPDX-License-Identifier: GPL-2.0-only */
/* Parts of text lines: text_words.h. */
#include "render/text_words.h"

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

void text_process(struct text_line *line, const struct wire_task *task, const struct process *process,
		  uint64_t now_boot_ns)
{
	char duration[NUMBER_SIZE];

	(void)process;
	text_line_format(line, " uid %u", task->uid);
	if (task->start_boot_ns && task->start_boot_ns < now_boot_ns) {
		format_age(now_boot_ns - task->start_boot_ns, duration);
		text_line_format(line, ", up %s", duration);
	}
}

void text_program(struct text_line *line, const struct process *process)
{
	const char *cmdline = process->cmdline;

	if (!*cmdline || strncmp(cmdline, process->task.comm, sizeof(process->task.comm)) == 0)
		return;
	text_line_add(line, "\"");
	text_line_bytes(line, cmdline, strlen(cmdline));
	text_line_add(line, "\"");
}

void text_item(struct text_line *line)
{
	if (line->length > 0)
		text_line_add(line, ", ");
}

void text_options(struct text_line *line, const struct wire_sock *sk)
{
	const char *names[OPTION_NAMES_MAX];
	/* The address says it: "[::]:80" is IPv6 only, and with any other address it means nothing. */
	size_t count = option_names(sk->flags & ~WIRE_V6ONLY, names);

	for (size_t i = 0; i < count; i++) {
		text_item(line);
		text_line_add(line, names[i]);
	}
}

void text_interface(struct text_line *line, const char *interface)
{
	if (!interface || !interface[0])
		return;
	text_item(line);
	text_line_add(line, "on ");
	text_line_bytes(line, interface, strlen(interface));
}

void text_place(struct text_line *line, const struct process *process)
{
	if (!process)
		return;
	if (process->unit[0]) {
		text_item(line);
		text_line_bytes(line, process->unit, strlen(process->unit));
	}
	if (process->container[0]) {
		text_item(line);
		text_line_add(line, "container ");
		text_line_bytes(line, process->container,
				strnlen(process->container, CONTAINER_SHOWN));
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
