/* SPDX-License-Identifier: GPL-2.0-only */
/* The mounts that keep network namespaces ("ip netns add"), as /proc/self/mountinfo lists them. */
#ifndef PORTTRACE_SYSTEM_MOUNTINFO_H
#define PORTTRACE_SYSTEM_MOUNTINFO_H

#include <stdbool.h>
#include <stdint.h>

/* `path` is valid during the call only. */
typedef void (*mountinfo_netns_fn)(void *context, uint32_t netns, const char *path);

/* Calls `found` for every mount of a network namespace; for none if the file cannot be read. */
void mountinfo_each_netns(mountinfo_netns_fn found, void *context);

/*
 * Parses one line of the file, and changes it. true: it is the mount of a network namespace, with this inode
 * number and mount point (within `line`).
 */
bool mountinfo_parse_netns(char *line, uint32_t *netns, char **path);

#endif
