/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds network namespaces in /proc (processes, nsfs mounts, sockets), enters them, reads them. */
#include "system/netns.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/if_addr.h>
#include <linux/sockios.h>

#include "system/mountinfo.h"

#define SOCKETS_MAX 4096 /* of a process are asked, some 10 us each */

/* How to open a namespace: a path, or a socket that is in it. */
struct netns_way {
	uint32_t netns;
	uint32_t pid; /* with fd: whose socket; fd -1: use the path */
	int fd;
	int err;	/* of the last netns_enter(): 0 or -errno */
	char *path;	/* owned; NULL and fd -1: nothing is known that leads into it */
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

/* The entry of a namespace for the caller to fill in; NULL: a way is known already, or no memory. */
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
	struct dirent *entry;

	if (!proc)
		return;
	while ((entry = readdir(proc))) {
		char path[64], text[64];
		struct netns_way *way;
		unsigned int netns;
		ssize_t length;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/ns/net", entry->d_name);
		length = readlink(path, text, sizeof(text) - 1);
		if (length < 0)
			continue;
		text[length] = '\0';
		if (sscanf(text, "net:[%u]", &netns) != 1)
			continue;
		way = way_add(list, netns);
		if (way)
			way->path = strdup(path);
	}
	closedir(proc);
}

static void mount_found(void *context, uint32_t netns, const char *path)
{
	struct netns_way *way = way_add(context, netns);

	if (way)
		way->path = strdup(path);
}

/* Adds the namespaces that the list does not have, and ways to those that have none. */
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

/* By way of the process where that is in it: to go by its socket is to hold that for a moment, and to be the
 * one who closes it if its process does so meanwhile. */
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

/* What errno says about a process or a path: -ESRCH if it has gone. */
static int open_error(void)
{
	return errno == ENOENT || errno == EBADF ? -ESRCH : -errno;
}

static int way_open_socket(const struct netns_way *way)
{
	int pidfd = syscall(SYS_pidfd_open, way->pid, 0);
	int fd, netns;

	if (pidfd < 0)
		return open_error();
	fd = syscall(SYS_pidfd_getfd, pidfd, way->fd, 0);
	netns = fd < 0 ? open_error() : 0;
	close(pidfd);
	if (fd < 0)
		return netns;
	netns = ioctl(fd, SIOCGSKNS);
	if (netns < 0)
		netns = errno == ENOTTY ? -ESRCH : -errno; /* ENOTTY: the descriptor is no longer a socket */
	close(fd);
	return netns;
}

/*
 * A descriptor of the namespace, or -errno. -ESRCH: this way does not lead into it, or no longer: a process has
 * exited, its pid or descriptor was reused, a mount was replaced.
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

		if (readlinkat(dirfd(fds), entry->d_name, link, sizeof(link)) <= 8 || memcmp(link, "socket:[", 8))
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

/* Looks for another way than the one that failed. A descriptor, or -errno. */
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
		/* Nothing else leads into it, and the first way still exists. */
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
	/* setns() cannot fail: the descriptor is held, and the right to enter was there a moment ago. */
	if (list->is_away && setns(list->home, CLONE_NEWNET))
		abort();
	list->is_away = false;
}

static bool file_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	if (fd < 0)
		return false;
	while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) > 0)
		length += (size_t)got;
	close(fd);
	text[length] = '\0';
	return true;
}

/* /proc/net/netstat: a line of names, then a line of values, both begun by the group's name. */
static uint64_t netstat_value(const char *text, const char *name)
{
	const char *names = strstr(text, "TcpExt:");
	const char *values = names ? strstr(names + 1, "\nTcpExt:") : NULL;
	char *rest;

	if (!values)
		return 0;
	names += strlen("TcpExt:");
	values += strlen("\nTcpExt:");
	while (*names == ' ') {
		size_t length = strcspn(++names, " \n");
		uint64_t value = strtoull(values, &rest, 10);

		if (length == strlen(name) && strncmp(names, name, length) == 0)
			return value;
		names += length;
		values = rest;
	}
	return 0;
}

unsigned int netns_read_setting(const char *path, unsigned int *second)
{
	char text[64];
	unsigned int first = 0, last = 0;

	if (file_read(path, text, sizeof(text)))
		sscanf(text, "%u %u", &first, &last);
	if (second)
		*second = last;
	return first;
}

/* 00000000000000000000000000000001 01 80 10 80 lo: address, index, prefix, scope, flags, device */
enum netns_address netns_find_ipv6(const uint8_t address[16], uint32_t ifindex)
{
	enum netns_address is = NETNS_ADDRESS_NONE;
	FILE *file = fopen("/proc/thread-self/net/if_inet6", "re");
	char wanted[33], found[33];
	unsigned int index, flags;

	for (int i = 0; i < 16; i++)
		snprintf(wanted + 2 * i, 3, "%02x", address[i]);
	while (file && is != NETNS_ADDRESS_USABLE &&
	       fscanf(file, "%32s %x %*x %*x %x %*s", found, &index, &flags) == 3) {
		if (strcmp(found, wanted) != 0 || (ifindex && ifindex != index))
			continue;
		is = flags & IFA_F_TENTATIVE && !(flags & IFA_F_OPTIMISTIC) ? NETNS_ADDRESS_TENTATIVE :
									      NETNS_ADDRESS_USABLE;
	}
	if (file)
		fclose(file);
	return is;
}

/* "8080,9148-9150" */
void netns_read_reserved(uint8_t reserved[NETNS_PORTS])
{
	static char text[65536];

	memset(reserved, 0, NETNS_PORTS);
	if (!file_read("/proc/sys/net/ipv4/ip_local_reserved_ports", text, sizeof(text)))
		return;
	for (char *at = text; isdigit((unsigned char)*at);) {
		unsigned long first = strtoul(at, &at, 10), last = first;

		if (*at == '-')
			last = strtoul(at + 1, &at, 10);
		if (*at == ',')
			at++;
		for (unsigned long port = first; port <= last && port < NETNS_PORTS; port++)
			reserved[port] = 1;
	}
}

static uint32_t reserved_count(const uint8_t reserved[NETNS_PORTS], unsigned int low, unsigned int high)
{
	uint32_t count = 0;

	for (unsigned int port = low; port <= high && port < NETNS_PORTS; port++)
		count += reserved[port];
	return count;
}

/* A fixed second until "tcp: Measure TIME-WAIT reuse delay with millisecond precision" (6.14). */
static uint32_t reuse_delay_read(void)
{
	const char *path = "/proc/sys/net/ipv4/tcp_tw_reuse_delay";

	return access(path, R_OK) == 0 ? netns_read_setting(path, NULL) : 1000;
}

void netns_read(struct wire_netns *out, uint8_t reserved[NETNS_PORTS])
{
	char text[16384];
	unsigned int low, high;
	const char *at;

	if (file_read("/proc/thread-self/net/netstat", text, sizeof(text))) {
		out->timewait_killed = netstat_value(text, "TWKilled");
		out->timewait_entered = netstat_value(text, "TW") + out->timewait_killed;
		out->timewait_reused = netstat_value(text, "TWRecycled");
		out->timewait_overflowed = netstat_value(text, "TCPTimeWaitOverflow");
	}
	if (file_read("/proc/thread-self/net/sockstat", text, sizeof(text)) && (at = strstr(text, " tw ")))
		out->timewait_live = strtoull(at + 4, NULL, 10);
	low = netns_read_setting("/proc/sys/net/ipv4/ip_local_port_range", &high);
	out->range_low = (uint16_t)low;
	out->range_high = (uint16_t)high;
	out->tw_reuse = netns_read_setting("/proc/sys/net/ipv4/tcp_tw_reuse", NULL);
	out->unprivileged_start = netns_read_setting("/proc/sys/net/ipv4/ip_unprivileged_port_start", NULL);
	netns_read_reserved(reserved);
	out->reserved_count = reserved_count(reserved, low, high);
	out->tw_reuse_delay_ms = reuse_delay_read();
	out->tw_max_buckets = netns_read_setting("/proc/sys/net/ipv4/tcp_max_tw_buckets", NULL);
	out->has |= WIRE_NETNS_READ;
}
