/* SPDX-License-Identifier: GPL-2.0-only */
/* Opens tracefs and cgroup v2 at any mount point, or unmounted. */
#ifndef PORTTRACE_SYSTEM_KERNEL_FS_H
#define PORTTRACE_SYSTEM_KERNEL_FS_H

/*
 * A descriptor of the root directory, which the caller closes; or -errno: the kernel does not have this
 * file system, or this process may not mount or open it. type: "tracefs" or "cgroup2".
 */
int kernel_fs_open(const char *type);

#endif
