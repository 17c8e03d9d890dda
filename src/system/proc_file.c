/* SPDX-License-Identifier: GPL-2.0-only */
/* read() until the end: many files of /proc return one page or one record per call. */
#include "system/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

ssize_t proc_file_read(int dir, const char *path, char *text, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got = 0;
	int err = 0;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) > 0)
		length += (size_t)got;
	if (got < 0)
		err = -errno;
	close(fd);
	text[err ? 0 : length] = '\0';
	return err ? err : (ssize_t)length;
}
