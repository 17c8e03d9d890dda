/* SPDX-License-Identifier: GPL-2.0-only */
/* The descriptors of sockets, of every process whose /proc/PID/fd this process may read. */
#ifndef PORTTRACE_SYSTEM_SOCKET_FDS_H
#define PORTTRACE_SYSTEM_SOCKET_FDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

struct socket_fd {
	uint64_t inode;
	uint32_t process; /* index in socket_fds.processes */
	int fd;
};

/* Begins zeroed. The memory is kept from one read to the next. */
struct socket_fds {
	struct socket_fd *list; /* sorted by inode, then as read */
	size_t count, capacity;
	struct wire_task *processes; /* those that have a socket, by pid; without cgroup_id */
	size_t process_count, process_capacity;
	bool is_partial; /* the descriptors of a process could not be read */
};

/* Reads /proc. 0 or -errno. */
int socket_fds_read(struct socket_fds *fds);
void socket_fds_done(struct socket_fds *fds);

/* The first descriptor of the socket, and how many follow it in the list, itself included. NULL: none is known. */
const struct socket_fd *socket_fds_find(const struct socket_fds *fds, uint64_t inode, size_t *count);

#endif
