/* SPDX-License-Identifier: GPL-2.0-only */
/* The conditions of get_file_caps() in security/commoncap.c, and that the process keeps what it got. */
#include "system/file_caps.h"

#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "system/proc_file.h"

/* A container, or an update of the program: the path that the process has is not this file. */
static bool is_same_file(int dir, const char *exe)
{
	struct stat running, named;

	return !fstatat(dir, "exe", &running, 0) && !stat(exe, &named) && running.st_dev == named.st_dev &&
	       running.st_ino == named.st_ino;
}

static bool is_on_nosuid(const char *exe)
{
	struct statvfs fs;

	return !statvfs(exe, &fs) && fs.f_flag & ST_NOSUID;
}

/* Capabilities of a file are those of the file system's user namespace. */
static bool is_in_other_user_namespace(int dir)
{
	struct stat theirs, ours;

	return !fstatat(dir, "ns/user", &theirs, 0) && !stat("/proc/self/ns/user", &ours) && theirs.st_ino != ours.st_ino;
}

static bool has_no_new_privs(int dir)
{
	char text[4096];

	return proc_file_read(dir, "status", text, sizeof(text)) > 0 && strstr(text, "\nNoNewPrivs:\t1");
}

/* What setuid() from root takes away, the file does not give back. The auxiliary vector has the user at execve(). */
static bool gave_up_root(int dir, uint32_t uid)
{
	unsigned long vector[128];
	int fd = uid ? openat(dir, "auxv", O_RDONLY | O_CLOEXEC) : -1;
	ssize_t length = fd < 0 ? 0 : read(fd, vector, sizeof(vector));

	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; (i + 2) * (ssize_t)sizeof(vector[0]) <= length; i += 2) {
		if (vector[i] == AT_EUID)
			return vector[i + 1] == 0;
	}
	return false;
}

bool file_caps_reach(int dir, const char *exe, uint32_t uid)
{
	return is_same_file(dir, exe) && !is_on_nosuid(exe) && !is_in_other_user_namespace(dir) &&
	       !has_no_new_privs(dir) && !gave_up_root(dir, uid);
}
