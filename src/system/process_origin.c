/* SPDX-License-Identifier: GPL-2.0-only */
#include "system/process_origin.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "system/proc_stat.h"
#include "system/process_service.h"
#include "system/user_name.h"

/*
 * The nearest first, up to process 1. If one exits meanwhile, its pid may belong to another process, which started later
 * than the child. What supervises a login did not start what a user runs in the terminal.
 */
static void parents_read(const struct proc_stat *stat, struct wire_process *event)
{
	struct proc_stat child = *stat, parent;
	uint32_t child_pid = event->task.pid;
	bool has_same_terminal = true;
	char path[32];

	for (int i = 0; i < WIRE_PARENTS_MAX && child.ppid; i++) {
		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", child.ppid);
		if (proc_stat_read(-1, path, &parent) || parent.start_ticks > child.start_ticks)
			return;
		event->parents[i].pid = child.ppid;
		memcpy(event->parents[i].comm, parent.comm, sizeof(event->parents[i].comm));
		has_same_terminal &= parent.tty == stat->tty;
		if (has_same_terminal)
			process_service_add_parent(child.ppid, &parent, child_pid, i, event);
		child_pid = child.ppid;
		child = parent;
	}
}

void process_origin_read(int dir, const struct proc_stat *stat, struct wire_process *event)
{
	ssize_t length = readlinkat(dir, "cwd", event->cwd, sizeof(event->cwd) - 1);

	event->cwd[length < 0 ? 0 : length] = '\0';
	user_name_read(event->task.uid, event->user);
	parents_read(stat, event);
	event->flags |= WIRE_PROCESS_ORIGIN;
}
