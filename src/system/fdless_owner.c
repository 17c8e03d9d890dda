/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads /proc/PID/{maps,fdinfo,task/TID/syscall} of every process; slow, so used last. */
#include "system/fdless_owner.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "system/proc_file.h"
#include "system/process_fd.h"
#include "system/procfs.h"
#include "util/clock.h"

/* Ways to hold a socket that do not identify the socket. */
enum position { IN_MESSAGE, IN_CALL, IN_RING, POSITIONS };

/* The candidate, as long as there is only one. */
struct candidate {
	uint32_t pid;
	bool several;
};

#define WAIT_MAX 5 /* times the CPU budget may pass on a busy machine: the caller does not read the ring meanwhile */

struct search {
	uint64_t inode;
	char name[32]; /* "socket:[12345]" */
	uint64_t end_thread_ns, end_boot_ns;
	fdless_owner_fn found;
	void *context;
	size_t certain;
	struct candidate candidates[POSITIONS];
};

static bool is_over(const struct search *search)
{
	return clock_thread_ns() > search->end_thread_ns || clock_boot_ns() > search->end_boot_ns;
}

static void candidate_add(struct search *search, enum position position, uint32_t pid)
{
	struct candidate *candidate = &search->candidates[position];

	candidate->several |= candidate->pid && candidate->pid != pid;
	candidate->pid = pid;
}

static void report(const struct search *search, uint32_t pid)
{
	struct wire_task task;

	if (!process_task_read(pid, &task))
		search->found(search->context, &task);
}

/* Whether a line of the file contains the text. */
static bool file_contains(const char *path, const char *text)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	bool found = false;
	size_t size = 0;

	while (file && !found && getline(&line, &size, file) > 0)
		found = strstr(line, text);
	free(line);
	if (file)
		fclose(file);
	return found;
}

/* "scm_fds: 2": descriptors in messages that wait in a unix socket (5.6) */
static unsigned int descriptors_waiting(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned int count = 0;
	char line[128];

	while (file && !count && fgets(line, sizeof(line), file))
		sscanf(line, "scm_fds: %u", &count);
	if (file)
		fclose(file);
	return count;
}

/*
 * Whether the first message in the queue of a unix socket has a descriptor of this file; *seen: how many
 * descriptors it has. MSG_PEEK leaves the message in the queue; the descriptors that it installs here are
 * closed at once.
 */
static bool message_has(uint32_t pid, int fd, uint64_t inode, unsigned int *seen)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(253 * sizeof(int))]; /* SCM_MAX_FD */
	} control;
	char data[4096];
	struct iovec part = {.iov_base = data, .iov_len = sizeof(data)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
				 .msg_controllen = sizeof(control)};
	int copy = process_fd_copy(pid, fd);
	bool found = false;
	struct stat st;

	if (copy < 0)
		return false;
	if (recvmsg(copy, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC) >= 0) {
		for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
			const int *fds = (const int *)CMSG_DATA(at);
			size_t count = (at->cmsg_len - CMSG_LEN(0)) / sizeof(*fds);

			if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
				continue;
			for (size_t i = 0; i < count; i++) {
				found |= fstat(fds[i], &st) == 0 && S_ISSOCK(st.st_mode) &&
					 st.st_ino == inode;
				close(fds[i]);
			}
			*seen += (unsigned int)count;
		}
	}
	close(copy);
	return found;
}

/* A registered file is shown as its path since 6.13; before, as "    0: TCPv6" for a socket. */
static bool is_some_socket(const char *line)
{
	static const char *const protocols[] = {"TCP", "UDP", "MPTCP", "UDP-Lite"};
	unsigned int slot;
	char name[16];

	if (sscanf(line, "%u: %15s", &slot, name) != 2)
		return false;
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		size_t length = strlen(protocols[i]);

		if (strncmp(name, protocols[i], length) == 0 &&
		    (!name[length] || strcmp(name + length, "v6") == 0))
			return true;
	}
	return false;
}

static bool has_registered(struct search *search, uint32_t pid, const char *fd, const char *link)
{
	char path[64], line[512];
	bool found = false;
	FILE *file;

	if (strcmp(link, "anon_inode:[io_uring]") != 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%u/fdinfo/%.16s", pid, fd);
	file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof(line), file)) {
		found = strstr(line, search->name);
		if (is_some_socket(line))
			candidate_add(search, IN_RING, pid);
	}
	if (file)
		fclose(file);
	return found;
}

/* Scans the io_urings and unix sockets of a process. true: one of them has the socket. */
static bool fds_scan(struct search *search, uint32_t pid)
{
	char path[64], link[64];
	unsigned int waiting, seen;
	struct dirent *entry;
	bool found = false;
	ssize_t length;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	fds = opendir(path);
	while (fds && !found && !is_over(search) && (entry = readdir(fds))) {
		length = readlinkat(dirfd(fds), entry->d_name, link, sizeof(link) - 1);
		if (length < 0)
			continue;
		link[length] = '\0';
		found = has_registered(search, pid, entry->d_name, link);
		if (strncmp(link, "socket:", 7) != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%u/fdinfo/%.16s", pid, entry->d_name);
		waiting = descriptors_waiting(path);
		seen = 0;
		if (!waiting)
			continue;
		if (message_has(pid, atoi(entry->d_name), search->inode, &seen))
			found = true;
		else if (seen < waiting) /* the others are in messages behind the first */
			candidate_add(search, IN_MESSAGE, pid);
	}
	if (fds)
		closedir(fds);
	return found;
}

static bool is_call_of_socket(long number)
{
	return number == SYS_accept || number == SYS_accept4 || number == SYS_recvfrom ||
	       number == SYS_recvmsg || number == SYS_recvmmsg;
}

/* A thread that waits in accept() or recv() holds the socket after the descriptor was closed. */
static bool has_orphaned_call(uint32_t pid)
{
	char path[64], text[256];
	struct dirent *entry;
	bool found = false;
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	threads = opendir(path);
	while (threads && !found && (entry = readdir(threads))) {
		unsigned long fd;
		long number;

		snprintf(path, sizeof(path), "%.16s/syscall", entry->d_name);
		if (proc_file_read(dirfd(threads), path, text, sizeof(text)) <= 0 ||
		    sscanf(text, "%ld %lx", &number, &fd) != 2 || !is_call_of_socket(number))
			continue;
		snprintf(path, sizeof(path), "%.16s/fd/%lu", entry->d_name, fd);
		found = faccessat(dirfd(threads), path, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
	}
	if (threads)
		closedir(threads);
	return found;
}

static void process_scan(struct search *search, uint32_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/maps", pid);
	if (file_contains(path, search->name) || fds_scan(search, pid)) {
		search->certain++;
		report(search, pid);
	} else if (has_orphaned_call(pid)) {
		candidate_add(search, IN_CALL, pid);
	}
}

void find_fdless_owner(uint64_t inode, uint64_t budget_ns, fdless_owner_fn found, void *context)
{
	struct search search = {
		.inode = inode,
		.end_thread_ns = clock_thread_ns() + budget_ns,
		.end_boot_ns = clock_boot_ns() + WAIT_MAX * budget_ns,
		.found = found,
		.context = context,
	};
	DIR *proc = opendir("/proc");
	const struct candidate *candidate = NULL;
	int positions = 0;
	uint32_t pid;

	snprintf(search.name, sizeof(search.name), "socket:[%" PRIu64 "]", inode);
	while (proc && !is_over(&search) && (pid = process_next(proc)))
		process_scan(&search, pid);
	for (int i = 0; i < POSITIONS; i++) {
		if (search.candidates[i].pid) {
			candidate = &search.candidates[i];
			positions++;
		}
	}
	/* After an incomplete scan, a candidate would be a guess. */
	if (!search.certain && !is_over(&search) && positions == 1 && !candidate->several)
		report(&search, candidate->pid);
	if (proc)
		closedir(proc);
}
