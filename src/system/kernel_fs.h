/* SPDX-License-Identifier: GPL-2.0-only */
/* File systems that the kernel offers, reached without asking where, or whether, they are mounted. */
#ifndef PORTTRACE_SYSTEM_KERNEL_FS_H
#define PORTTRACE_SYSTEM_KERNEL_FS_H

/*
 * The root of tracefs or of the cgroup v2 hierarchy, as a directory descriptor that the caller closes.
 * type: "tracefs", "cgroup2". -errno: the kernel does not offer it, or not to this process.
 */
int kernel_fs_open(const char *type);

#endif
