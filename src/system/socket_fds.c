/* SPDX-License-Identifier: GPL-2.0-only */
#include "system/socket_fds.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "system/procfs.h"

/* Makes room for one more element. NULL: no memory is left. */
static void *grow(void *array, size_t count, size_t *capacity, size_t size)
{
	size_t wanted = *capacity ? 2 * *capacity : 64;

	if (count < *capacity)
		return array;
	array = realloc(array, wanted * size);
	if (array)
		*capacity = wanted;
	return array;
}

static int add_process(struct socket_fds *fds, uint32_t pid)
{
	struct wire_task *processes = grow(fds->processes, fds->process_count, &fds->process_capacity, sizeof(*processes));
	int err;

	if (!processes)
		return -ENOMEM;
	fds->processes = processes;
	err = process_task_read(pid, &processes[fds->process_count]);
	if (!err)
		fds->process_count++;
	return err;
}

static int add_fd(struct socket_fds *fds, uint64_t inode, int fd)
{
	struct socket_fd *list = grow(fds->list, fds->count, &fds->capacity, sizeof(*list));

	if (!list)
		return -ENOMEM;
	fds->list = list;
	fds->list[fds->count++] = (struct socket_fd){inode, (uint32_t)fds->process_count - 1, fd};
	return 0;
}

static bool is_socket(int dir, const char *name, uint64_t *inode)
{
	char link[64];
	ssize_t length = readlinkat(dir, name, link, sizeof(link) - 1);

	if (length < 0)
		return false;
	link[length] = '\0';
	return sscanf(link, "socket:[%" SCNu64 "]", inode) == 1;
}

/* A process that exits meanwhile is left out. */
static int read_process(struct socket_fds *fds, uint32_t pid)
{
	bool is_added = false;
	struct dirent *entry;
	uint64_t inode;
	char path[32];
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/fd", pid);
	dir = opendir(path);
	if (!dir) {
		fds->is_partial |= errno == EACCES || errno == EPERM;
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : 0;
	}
	while (!err && (entry = readdir(dir))) {
		if (!is_socket(dirfd(dir), entry->d_name, &inode))
			continue;
		err = is_added ? 0 : add_process(fds, pid);
		is_added = !err;
		if (!err)
			err = add_fd(fds, inode, atoi(entry->d_name));
	}
	closedir(dir);
	return err == -ENOMEM ? err : 0;
}

static int compare(const void *left, const void *right)
{
	const struct socket_fd *a = left, *b = right;

	if (a->inode != b->inode)
		return a->inode < b->inode ? -1 : 1;
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	return (a->fd > b->fd) - (a->fd < b->fd);
}

int socket_fds_read(struct socket_fds *fds)
{
	DIR *proc = opendir("/proc");
	uint32_t pid;
	int err = 0;

	fds->count = fds->process_count = 0;
	fds->is_partial = false;
	if (!proc)
		return -errno;
	while (!err && (pid = process_next(proc)))
		err = read_process(fds, pid);
	closedir(proc);
	if (fds->count)
		qsort(fds->list, fds->count, sizeof(*fds->list), compare);
	return err;
}

void socket_fds_done(struct socket_fds *fds)
{
	free(fds->list);
	free(fds->processes);
	*fds = (struct socket_fds){0};
}

const struct socket_fd *socket_fds_find(const struct socket_fds *fds, uint64_t inode, size_t *count)
{
	size_t low = 0, high = fds->count, end;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (fds->list[middle].inode < inode)
			low = middle + 1;
		else
			high = middle;
	}
	for (end = low; end < fds->count && fds->list[end].inode == inode;)
		end++;
	*count = end - low;
	return *count ? &fds->list[low] : NULL;
}
