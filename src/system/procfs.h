/* SPDX-License-Identifier: GPL-2.0-only */
/* What /proc/PID says about a process. */
#ifndef PORTTRACE_SYSTEM_PROCFS_H
#define PORTTRACE_SYSTEM_PROCFS_H

#include <stdbool.h>
#include <stdint.h>

#include "porttrace/wire.h"

/*
 * In all of these a process is named by its pid in the initial pid namespace and its start on the initial
 * CLOCK_BOOTTIME, as the BPF programs report them. /proc rounds the start down to 10 ms. start_boot_ns 0: not
 * known, any process with this pid is meant.
 */

/*
 * Fills *event with the executable, arguments and cgroup of the process `task`. If the process has called
 * execve() since it had the name task->comm, exe and cmdline are left empty: they are another program's.
 * 0; -ESRCH: the process has exited, or its pid belongs to another process now; or -errno.
 */
int process_read(const struct wire_task *task, struct wire_process *event);

/*
 * false: the process has exited. true as well where /proc cannot answer: porttrace runs in a pid namespace,
 * whose /proc has other pids, or /proc may not be read. A zombie is alive.
 */
bool process_is_alive(uint32_t pid, uint64_t start_boot_ns);

/* Fills pid, tid, start_boot_ns, uid and comm of the process that has this pid in /proc; the rest is 0. 0, -ESRCH
 * or -errno. */
int process_task_read(uint32_t pid, struct wire_task *task);

#endif
