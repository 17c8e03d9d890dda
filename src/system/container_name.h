/* SPDX-License-Identifier: GPL-2.0-only */
/* The names of containers, from what docker, podman and containerd keep in files. */
#ifndef PORTTRACE_SYSTEM_CONTAINER_NAME_H
#define PORTTRACE_SYSTEM_CONTAINER_NAME_H

#include <stdbool.h>
#include <stdint.h>

#define CONTAINER_NAME_SIZE 128

/* "web", and of a Kubernetes pod "shop/web". id: 64 hex digits. NULL: not known. Borrowed until the next call; read again
 * after 10 s. */
const char *container_name(const char *id);
/* The same from the files below `root`, "" for those of this machine. false: not known. */
bool container_name_read(const char *root, const char *id, char name[CONTAINER_NAME_SIZE]);

/* The name of the container whose processes are in the network namespace; NULL: none is known. Looks at all processes, at
 * most every 5 s. Borrowed likewise. */
const char *container_of_netns(uint32_t netns);

#endif
