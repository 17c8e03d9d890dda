/* SPDX-License-Identifier: GPL-2.0-only */
/* Mounts the file system without attaching it to a path: machines differ in where they mount it, and
 * minimal ones do not. Where that is not permitted, the usual mount points are tried. */
#include "system/kernel_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static int open_root(int dir, const char *path)
{
	int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int mount_privately(const char *type)
{
	int context = fsopen(type, FSOPEN_CLOEXEC);
	int mount = -1, root = -ENOSYS;

	if (context < 0)
		return -errno;
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	root = mount < 0 ? -errno : open_root(mount, ".");
	if (mount >= 0)
		close(mount);
	close(context);
	return root;
}

int kernel_fs_open(const char *type)
{
	static const struct {
		const char *type, *path, *landmark;
	} usual[] = {
		{"tracefs", "/sys/kernel/tracing", "events"},
		{"tracefs", "/sys/kernel/debug/tracing", "events"},
		{"cgroup2", "/sys/fs/cgroup", "cgroup.procs"},
		{"cgroup2", "/sys/fs/cgroup/unified", "cgroup.procs"},
	};
	int err = mount_privately(type);

	if (err >= 0)
		return err;
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		int fd;

		if (strcmp(usual[i].type, type) != 0)
			continue;
		fd = open_root(AT_FDCWD, usual[i].path);
		if (fd < 0)
			continue;
		if (faccessat(fd, usual[i].landmark, F_OK, 0) == 0)
			return fd;
		close(fd);
	}
	return err;
}
