/* SPDX-License-Identifier: GPL-2.0-only */
/* The names by which users know network namespaces. */
#ifndef PORTTRACE_SYSTEM_NETNS_NAME_H
#define PORTTRACE_SYSTEM_NETNS_NAME_H

#include <stdint.h>

/* "blue" of `ip netns add blue`, or "host"; NULL: it has no name, as far as known. Valid until the next call. */
const char *netns_name(uint32_t netns);

/* The same, or the name of the container (docker, podman) or pod (containerd) that is in it. Valid until the next call. */
const char *netns_label(uint32_t netns);

/* The name in the path of a mount: "blue" of /run/netns/blue; NULL: `ip netns` does not have it. Points into `path`. */
const char *netns_name_of_mount(const char *path);

#endif
