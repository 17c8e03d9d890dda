/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads /proc/PID/stat: name, parent, terminal and start of a process, in one read. */
#ifndef PORTTRACE_SYSTEM_PROC_STAT_H
#define PORTTRACE_SYSTEM_PROC_STAT_H

#include <stddef.h>
#include <stdint.h>

struct proc_stat {
	uint32_t ppid;	      /* 0: none */
	int tty;	      /* the controlling terminal; 0: none */
	uint64_t start_ticks; /* since boot, in the reader's time namespace */
	char comm[16];	      /* backslash and newline escaped, as the kernel prints them */
};

/* `dir`: of the process (/proc/PID), or AT_FDCWD with an absolute path. 0; -ESRCH: it has exited; or -errno. */
int proc_stat_read(int dir, const char *path, struct proc_stat *stat);

#endif
