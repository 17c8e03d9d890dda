/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads a process's credentials from /proc and asks the kernel's question of them: ns_capable(). */
#include "why/caller.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/nsfs.h>

#include "system/procfs.h"

int why_caller_find(const struct why_options *options, struct why_caller *caller)
{
	const struct settings_numbers *netns = &options->shared.settings.netns;
	struct process_credentials credentials;
	struct wire_task task;
	uint64_t inode = 0;
	int err;

	*caller = (struct why_caller){0};
	err = process_namespace_read(options->pid, "net", &inode);
	if (!err)
		err = process_namespace_read(options->pid, "user", &caller->user_ns);
	if (!err)
		err = process_credentials_read(options->pid, &credentials);
	if (err)
		return err;
	caller->uid = credentials.fsuid; /* the owner of the sockets that it makes */
	caller->is_raised = credentials.effective >> CAP_NET_BIND_SERVICE & 1;
	caller->netns = netns->count ? netns->values[0] : (uint32_t)inode;
	/* Without --pid the caller is no process in particular: porttrace itself will not bind. */
	if (options->pid && !process_task_read(options->pid, &task)) {
		caller->task.pid = credentials.pid;
		caller->task.uid = caller->uid;
		memcpy(caller->task.comm, task.comm, sizeof(task.comm));
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
