/* SPDX-License-Identifier: GPL-2.0-only */
/* A descriptor of another process. */
#ifndef PORTTRACE_SYSTEM_PROCESS_FD_H
#define PORTTRACE_SYSTEM_PROCESS_FD_H

#include <stdint.h>

/*
 * Duplicates descriptor `fd` of a process with pidfd_getfd(2); the caller closes the copy. If the process closes its own
 * meanwhile, that close ends the file. Returns the copy; -ESRCH: the process has exited or has no such descriptor; or
 * -errno: EPERM where ptrace(2) is not permitted.
 */
int process_fd_copy(uint32_t pid, int fd);

#endif
