/* SPDX-License-Identifier: GPL-2.0-only */
#include "system/process_fd.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

int process_fd_copy(uint32_t pid, int fd)
{
	int process = (int)syscall(SYS_pidfd_open, pid, 0);
	int copy;

	if (process < 0)
		return -errno;
	copy = (int)syscall(SYS_pidfd_getfd, process, fd, 0);
	if (copy < 0)
		copy = errno == EBADF ? -ESRCH : -errno;
	close(process);
	return copy;
}
