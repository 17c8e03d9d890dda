/* SPDX-License-Identifier: GPL-2.0-only */
/* What /proc says of a process: its program, arguments and cgroup. */
#ifndef PORTTRACE_SYSTEM_PROCFS_H
#define PORTTRACE_SYSTEM_PROCFS_H

#include "porttrace/wire.h"

/* Fills *event from /proc/<task->pid>. 0, or -ESRCH when the process has gone. */
int process_read(const struct wire_task *task, struct wire_process *event);

#endif
