/* SPDX-License-Identifier: GPL-2.0-only */
#include "system/proc_stat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "system/proc_file.h"

/* The name may contain any character; it begins at the first bracket and ends at the last one. */
static void comm_copy(char out[16], const char *begin, const char *end)
{
	size_t length = (size_t)(end - begin);

	memset(out, 0, 16);
	memcpy(out, begin, length < 15 ? length : 15);
}

int proc_stat_read(int dir, const char *path, struct proc_stat *stat)
{
	char text[1024], *begin, *end;
	ssize_t length = proc_file_read(dir, path, text, sizeof(text));

	if (length < 0)
		return length == -ENOENT ? -ESRCH : (int)length;
	begin = strchr(text, '(');
	end = strrchr(text, ')');
	if (!begin || !end || end < begin)
		return -ESRCH;
	comm_copy(stat->comm, begin + 1, end);
	/* Fields 4, 7 and 22. */
	return sscanf(end + 1, " %*c %" SCNu32 " %*d %*d %d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d"
			       " %" SCNu64, &stat->ppid, &stat->tty, &stat->start_ticks) == 3 ? 0 : -ESRCH;
}
