/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads a process's credentials from /proc and asks the kernel's question of them: ns_capable(). */
#include "why/caller.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/nsfs.h>

/* "self" is the process of the whole program. */
static int namespace_of(const char *process, const char *kind, uint64_t *inode)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/%s", process, kind);
	if (stat(path, &st))
		return errno == ENOENT ? -ESRCH : -errno;
	*inode = st.st_ino;
	return 0;
}

/* Uid: real, effective, saved, file system's; a socket belongs to the last. */
static int read_status(const char *process, struct why_caller *caller)
{
	char path[64], line[256];
	uint64_t effective = 0;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%s/status", process);
	status = fopen(path, "re");
	if (!status)
		return errno == ENOENT ? -ESRCH : -errno;
	while (fgets(line, sizeof(line), status)) {
		sscanf(line, "Tgid: %" SCNu32, &caller->task.pid);
		sscanf(line, "Uid: %*u %*u %*u %" SCNu32, &caller->uid);
		sscanf(line, "CapEff: %" SCNx64, &effective);
	}
	fclose(status);
	caller->is_raised = effective >> CAP_NET_BIND_SERVICE & 1;
	return 0;
}

/* The bytes as they are: /proc/PID/status escapes some. */
static void read_comm(const char *process, struct wire_task *task)
{
	char path[64], text[sizeof(task->comm) + 1];
	ssize_t length = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/comm", process);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		length = read(fd, text, sizeof(text));
		close(fd);
	}
	/* It ends in a newline. */
	if (length > 1)
		memcpy(task->comm, text, (size_t)length - 1);
}

int why_caller_find(const struct why_options *options, struct why_caller *caller)
{
	const struct settings_numbers *netns = &options->netns;
	char process[16] = "self";
	uint64_t inode = 0;
	int err;

	*caller = (struct why_caller){0};
	if (options->pid)
		snprintf(process, sizeof(process), "%" PRIu32, options->pid);
	err = namespace_of(process, "net", &inode);
	if (!err)
		err = namespace_of(process, "user", &caller->user_ns);
	if (!err)
		err = read_status(process, caller);
	if (err)
		return err;
	caller->netns = netns->count ? netns->values[0] : (uint32_t)inode;
	if (options->pid) {
		read_comm(process, &caller->task);
		caller->task.uid = caller->uid;
	} else {
		caller->task.pid = 0; /* porttrace will not bind: nobody is to be told to mend it */
	}
	if (options->has_uid && options->uid != caller->uid) {
		/* Whoever changes to a user loses the capabilities, and root has them. */
		caller->uid = caller->task.uid = options->uid;
		caller->is_raised = options->uid == 0;
	}
	return 0;
}

/* Is this user namespace the caller's? */
static bool is_of_caller(const struct why_caller *caller, int user_ns)
{
	struct stat st;

	return user_ns >= 0 && fstat(user_ns, &st) == 0 && st.st_ino == caller->user_ns;
}

/*
 * cap_capable(): from the user namespace that owns the network up to the caller's own, where the
 * capability counts; and whoever made a namespace right below his own has every capability in it.
 */
bool why_caller_is_privileged(const struct why_caller *caller, int netns_fd)
{
	int user_ns = ioctl(netns_fd, NS_GET_USERNS), parent;
	bool is_owner = false, found = is_of_caller(caller, user_ns);
	uid_t owner;

	while (user_ns >= 0 && !found) {
		parent = ioctl(user_ns, NS_GET_PARENT);
		found = is_of_caller(caller, parent);
		is_owner = found && ioctl(user_ns, NS_GET_OWNER_UID, &owner) == 0 && owner == caller->uid;
		close(user_ns);
		user_ns = parent;
	}
	if (user_ns >= 0)
		close(user_ns);
	return found && (is_owner || caller->is_raised);
}
