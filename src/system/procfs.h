/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads facts about a process from /proc/PID. */
#ifndef PORTTRACE_SYSTEM_PROCFS_H
#define PORTTRACE_SYSTEM_PROCFS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "porttrace/wire.h"

/*
 * All functions identify a process by its pid in the reader's pid namespace and its start time on the initial
 * CLOCK_BOOTTIME, as the BPF programs report them. /proc rounds the start down to 10 ms. start_boot_ns 0: not
 * known; any process with this pid matches.
 */

/*
 * Fills *event with the executable, arguments and cgroup of the process `task` (about 40 us), and with its directory,
 * user, parents and what starts it again if with_origin is set (50 us more). If the process has called execve() since
 * it had the name task->comm, exe and cmdline are left empty, for they are another program's, and WIRE_PROCESS_EXEC is
 * set.
 * 0; -ESRCH: the process has exited, or its pid belongs to another process now; or -errno.
 */
int process_read(const struct wire_task *task, bool with_origin, struct wire_process *event);

#define PROC_PID_INIT_INO 0xEFFFFFFCU /* of the initial pid namespace: include/linux/proc_ns.h */

/* The inode number of this process's pid namespace; 0: the initial one. */
uint32_t process_pid_namespace(void);

/*
 * false: the process has exited. true also if /proc cannot tell: the process is outside the reader's pid namespace, /proc
 * shows another one, or it may not be read. A zombie is alive.
 */
bool process_is_alive(uint32_t pid, uint64_t start_boot_ns);

/*
 * The functions below take a pid as in /proc; 0: the calling process. They return 0; -ESRCH: no such process;
 * or -errno.
 */

/* Fills pid, tid, ppid, start_boot_ns, uid and comm; the rest is 0. */
int process_task_read(uint32_t pid, struct wire_task *task);

struct process_credentials {
	uint32_t pid;	    /* the tgid, also if the number given was a thread's */
	uint32_t uid;	    /* real */
	uint32_t fsuid;	    /* the owner of the sockets that it creates */
	uint64_t effective; /* capabilities, 1 << CAP_... */
};
int process_credentials_read(uint32_t pid, struct process_credentials *credentials);

/* The inode number of one of its namespaces: "net", "user", ... */
int process_namespace_read(uint32_t pid, const char *kind, uint64_t *inode);

/* The next process in a directory opened as "/proc"; 0: no more. */
uint32_t process_next(DIR *proc);

#endif
