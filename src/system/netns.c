/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds network namespaces through processes, nsfs mounts and sockets, and enters them. */
#include "system/netns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/sockios.h>

#include "system/mountinfo.h"
#include "system/process_fd.h"
#include "system/procfs.h"

#define SOCKETS_MAX 4096 /* tried per process, at about 10 us each */

/* How to open a namespace: a path, or a socket that is in it. */
struct netns_way {
	uint32_t netns;
	uint32_t pid; /* owner of the socket `fd`; fd -1: use the path */
	int fd;
	int err;	/* of the last netns_enter(): 0 or -errno */
	char *path;	/* owned; NULL and fd -1: no way is known */
};

struct netns_list {
	struct netns_way *ways;
	size_t count, capacity;
	int home; /* the namespace of this thread */
	uint32_t home_netns;
	bool is_away;
};

struct netns_list *netns_list_new(void)
{
	struct netns_list *list = calloc(1, sizeof(*list));
	struct stat st;

	if (!list)
		return NULL;
	list->home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (list->home < 0 || fstat(list->home, &st)) {
		free(list);
		return NULL;
	}
	list->home_netns = (uint32_t)st.st_ino;
	return list;
}

static void list_clear(struct netns_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->ways[i].path);
	list->count = 0;
}

void netns_list_free(struct netns_list *list)
{
	if (!list)
		return;
	close(list->home);
	list_clear(list);
	free(list->ways);
	free(list);
}

static struct netns_way *way_find(const struct netns_list *list, uint32_t netns)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->ways[i].netns == netns)
			return &list->ways[i];
	}
	return NULL;
}

static bool way_is_known(const struct netns_way *way)
{
	return way->fd >= 0 || way->path;
}

/* Returns the entry of a namespace, for the caller to fill in; NULL: a way is already known, or no memory. */
static struct netns_way *way_add(struct netns_list *list, uint32_t netns)
{
	struct netns_way *way = way_find(list, netns);

	if (way)
		return way_is_known(way) ? NULL : way;
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct netns_way *ways = realloc(list->ways, capacity * sizeof(*ways));

		if (!ways)
			return NULL;
		list->ways = ways;
		list->capacity = capacity;
	}
	way = &list->ways[list->count++];
	*way = (struct netns_way){.netns = netns, .fd = -1};
	return way;
}

static void scan_processes(struct netns_list *list)
{
	DIR *proc = opendir("/proc");
	uint32_t pid, netns;

	while (proc && (pid = process_next(proc))) {
		char path[64], text[64];
		struct netns_way *way;
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/%" PRIu32 "/ns/net", pid);
		length = readlink(path, text, sizeof(text) - 1);
		if (length < 0)
			continue;
		text[length] = '\0';
		if (sscanf(text, "net:[%" SCNu32 "]", &netns) != 1)
			continue;
		way = way_add(list, netns);
		if (way)
			way->path = strdup(path);
	}
	if (proc)
		closedir(proc);
}

static void mount_found(void *context, uint32_t netns, const char *path)
{
	struct netns_way *way = way_add(context, netns);

	if (way)
		way->path = strdup(path);
}

/* Adds missing namespaces, and ways to those without one. */
static void scan(struct netns_list *list)
{
	scan_processes(list);
	mountinfo_each_netns(mount_found, list);
}

int netns_list_scan(struct netns_list *list)
{
	list_clear(list);
	scan(list);
	return list->count ? 0 : -ENOENT;
}

/*
 * Prefers the process itself, if it is in the namespace. With a socket, a duplicate is open for a moment; if
 * the process closes its own meanwhile, porttrace closes the socket.
 */
void netns_list_add_socket(struct netns_list *list, uint32_t netns, uint32_t pid, int fd)
{
	struct netns_way *way = way_add(list, netns);
	char path[64];
	struct stat st;

	if (!way)
		return;
	snprintf(path, sizeof(path), "/proc/%u/ns/net", pid);
	way->pid = pid;
	way->fd = fd;
	if (stat(path, &st) == 0 && st.st_ino == netns) {
		way->fd = -1;
		way->path = strdup(path);
	}
}

size_t netns_list_count(const struct netns_list *list)
{
	return list->count;
}

uint32_t netns_list_get(const struct netns_list *list, size_t index)
{
	return list->ways[index].netns;
}

int netns_list_error(const struct netns_list *list, size_t index)
{
	int err = list->ways[index].err;

	return err == -ESRCH ? 0 : err;
}

/* Converts errno of opening a path; -ESRCH: it does not exist any more. */
static int open_error(void)
{
	return errno == ENOENT ? -ESRCH : -errno;
}

static int way_open_socket(const struct netns_way *way)
{
	int fd = process_fd_copy(way->pid, way->fd), netns;

	if (fd < 0)
		return fd;
	netns = ioctl(fd, SIOCGSKNS);
	if (netns < 0)
		netns = errno == ENOTTY ? -ESRCH : -errno; /* ENOTTY: the descriptor is no longer a socket */
	close(fd);
	return netns;
}

/*
 * A descriptor of the namespace, or -errno. -ESRCH: this way does not lead to it (any more): the process
 * exited, its pid or descriptor was reused, or the mount was replaced.
 */
static int way_open(const struct netns_way *way)
{
	int fd = -ESRCH;
	struct stat st;

	if (way->fd >= 0)
		fd = way_open_socket(way);
	else if (way->path) {
		fd = open(way->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fd = open_error();
	}
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0 && st.st_ino == way->netns)
		return fd;
	close(fd);
	return -ESRCH;
}

bool netns_list_scan_sockets(struct netns_list *list, uint32_t netns, uint32_t pid)
{
	size_t sockets = 0;
	struct dirent *entry;
	bool found = false;
	char path[64];
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	fds = opendir(path);
	while (fds && !found && sockets < SOCKETS_MAX && (entry = readdir(fds))) {
		struct netns_way way = {.netns = netns, .pid = pid, .fd = atoi(entry->d_name)};
		char link[16];
		int fd;

		if (readlinkat(dirfd(fds), entry->d_name, link, sizeof(link)) <= 8 ||
		    memcmp(link, "socket:[", 8))
			continue;
		sockets++;
		fd = way_open(&way);
		if (fd < 0)
			continue;
		close(fd);
		netns_list_add_socket(list, netns, pid, way.fd);
		found = true;
	}
	if (fds)
		closedir(fds);
	return found;
}

/* Searches for another way than the one that failed. A descriptor, or -errno. */
static int way_renew(struct netns_list *list, uint32_t netns, int first_err)
{
	struct netns_way *way = way_find(list, netns), failed = {.netns = netns, .fd = -1};
	int fd;

	if (way) {
		failed = *way;
		way->fd = -1;
		way->path = NULL;
	}
	scan(list);
	way = way_find(list, netns);
	fd = way ? way_open(way) : first_err;
	if (way && fd == -ESRCH && first_err != -ESRCH) {
		/* There is no other way into the namespace, and the first one still exists. */
		free(way->path);
		*way = failed;
		return first_err;
	}
	free(failed.path);
	return fd;
}

int netns_enter(struct netns_list *list, uint32_t netns)
{
	struct netns_way *way = way_find(list, netns);
	int fd, err = 0;

	if (netns == list->home_netns)
		return 0;
	fd = way ? way_open(way) : -ESRCH;
	if (fd < 0)
		fd = way_renew(list, netns, fd);
	if (fd < 0)
		err = fd;
	else if (setns(fd, CLONE_NEWNET))
		err = -errno;
	if (fd >= 0)
		close(fd);
	list->is_away = !err;
	way = way_find(list, netns);
	if (way)
		way->err = err;
	return err;
}

void netns_leave(struct netns_list *list)
{
	/* setns() cannot fail: the descriptor is open, and this thread had the privilege when it entered. */
	if (list->is_away && setns(list->home, CLONE_NEWNET))
		abort();
	list->is_away = false;
}

static bool path_leads_to(const char *path, uint32_t netns)
{
	struct stat st;

	return path && stat(path, &st) == 0 && st.st_ino == netns;
}

int netns_path(struct netns_list *list, uint32_t netns, char *path, size_t size)
{
	struct netns_way *way = way_find(list, netns);

	path[0] = '\0';
	if (netns == list->home_netns)
		return 0;
	if (!way || !path_leads_to(way->path, netns)) {
		netns_list_scan(list);
		way = way_find(list, netns);
	}
	if (!way || !path_leads_to(way->path, netns) || strlen(way->path) >= size)
		return -ESRCH;
	strcpy(path, way->path);
	return 0;
}
