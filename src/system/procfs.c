/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads /proc/PID/{exe,cmdline,cgroup}; bytes as they are, for they may be hostile. */
#include "system/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static ssize_t proc_read(uint32_t pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	length = read(fd, text, size - 1);
	close(fd);
	text[length < 0 ? 0 : length] = '\0';
	return length;
}

/* The line of the v2 hierarchy is "0::/path". */
static void cgroup_read(uint32_t pid, char *out, size_t size)
{
	char text[4096], *line;

	if (proc_read(pid, "cgroup", text, sizeof(text)) <= 0)
		return;
	line = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
	if (!line)
		return;
	line = strchr(line, '/');
	if (!line)
		return;
	line[strcspn(line, "\n")] = '\0';
	snprintf(out, size, "%s", line);
}

int process_read(const struct wire_task *task, struct wire_process *event)
{
	char path[64];
	ssize_t length;

	*event = (struct wire_process){
		.hdr = {.size = sizeof(*event), .kind = WIRE_PROCESS},
		.task = *task,
	};
	length = proc_read(task->pid, "cmdline", event->cmdline, sizeof(event->cmdline));
	if (length < 0)
		return -ESRCH;
	event->cmdline_len = (uint32_t)length;
	snprintf(path, sizeof(path), "/proc/%u/exe", task->pid);
	length = readlink(path, event->exe, sizeof(event->exe) - 1);
	if (length < 0)
		event->exe[0] = '\0';
	cgroup_read(task->pid, event->cgroup, sizeof(event->cgroup));
	return 0;
}
