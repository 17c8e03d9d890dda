/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the credentials of the caller, and applies ns_capable() of kernel/capability.c to them. */
#include "why/caller.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/nsfs.h>

#include "system/procfs.h"

int why_caller_find(const struct why_config *config, struct why_caller *caller)
{
	struct process_credentials credentials;
	struct wire_task task;
	uint64_t inode = 0;
	int err;

	*caller = (struct why_caller){0};
	err = process_namespace_read(config->pid, "net", &inode);
	if (!err)
		err = process_namespace_read(config->pid, "user", &caller->user_ns);
	if (!err)
		err = process_credentials_read(config->pid, &credentials);
	if (err)
		return err;
	caller->uid = credentials.fsuid; /* owner of the sockets that it creates */
	caller->is_raised = credentials.effective >> CAP_NET_BIND_SERVICE & 1;
	caller->netns = config->has_netns ? config->netns : (uint32_t)inode;
	/* Without --pid there is no specific process: porttrace itself does not bind. */
	if (config->pid && !process_task_read(config->pid, &task)) {
		caller->task.pid = credentials.pid;
		caller->task.uid = caller->uid;
		memcpy(caller->task.comm, task.comm, sizeof(task.comm));
	}
	if (config->has_uid && config->uid != caller->uid) {
		/* setuid() from root to another uid clears the effective capabilities; root has all of them. */
		caller->uid = caller->task.uid = config->uid;
		caller->is_raised = config->uid == 0;
	}
	return 0;
}

enum why_status why_caller_failed(const struct why_config *config, int err, char *reason, size_t size)
{
	if (config->pid)
		snprintf(reason, size, "--pid %u: %s", config->pid, strerror(-err));
	else
		snprintf(reason, size, "reading /proc/self: %s", strerror(-err));
	if (err == -ESRCH)
		return WHY_MISUSED;
	return err == -EPERM || err == -EACCES ? WHY_NOT_ALLOWED : WHY_FAILED;
}

/* Whether this descriptor is the caller's user namespace. */
static bool is_of_caller(const struct why_caller *caller, int user_ns)
{
	struct stat st;

	return user_ns >= 0 && fstat(user_ns, &st) == 0 && st.st_ino == caller->user_ns;
}

/*
 * As cap_capable() in security/commoncap.c: walk from the user namespace that owns the network namespace up
 * to the caller's, where the caller's capabilities count. A uid has all capabilities in the child namespaces
 * that it created.
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
