/* SPDX-License-Identifier: GPL-2.0-only */
#include "system/process_origin.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "system/proc_stat.h"

/*
 * From /etc/passwd only: getpwuid() may ask a directory service over the network, which would wait, and would take
 * ports itself.
 */
static void user_read(uint32_t uid, char user[32])
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;

	while (file && (entry = fgetpwent(file))) {
		/* A name that does not fit is left empty: a cut one may be another user's. */
		if (entry->pw_uid == uid) {
			snprintf(user, 32, "%s", strlen(entry->pw_name) < 32 ? entry->pw_name : "");
			break;
		}
	}
	if (file)
		fclose(file);
}

/*
 * The nearest first, up to process 1. If one exits meanwhile, its pid may belong to another process, which started later
 * than the child.
 */
static void parents_read(uint32_t ppid, uint64_t child_ticks, struct wire_parent parents[WIRE_PARENTS_MAX])
{
	struct proc_stat stat;
	char path[32];

	for (int i = 0; i < WIRE_PARENTS_MAX && ppid; i++) {
		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/stat", ppid);
		if (proc_stat_read(-1, path, &stat) || stat.start_ticks > child_ticks)
			return;
		parents[i].pid = ppid;
		memcpy(parents[i].comm, stat.comm, sizeof(parents[i].comm));
		ppid = stat.ppid;
		child_ticks = stat.start_ticks;
	}
}

void process_origin_read(int dir, const struct proc_stat *stat, struct wire_process *event)
{
	ssize_t length = readlinkat(dir, "cwd", event->cwd, sizeof(event->cwd) - 1);

	event->cwd[length < 0 ? 0 : length] = '\0';
	user_read(event->task.uid, event->user);
	parents_read(stat->ppid, stat->start_ticks, event->parents);
	event->flags |= WIRE_PROCESS_ORIGIN;
}
