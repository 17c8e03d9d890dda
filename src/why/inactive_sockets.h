/* SPDX-License-Identifier: GPL-2.0-only */
/* TCP sockets that are bound and idle, as sock_diag tells of them: one that no process has open (in an
 * unread message, registered with an io_uring) is in no table that an iterator walks. */
#ifndef PORTTRACE_WHY_INACTIVE_SOCKETS_H
#define PORTTRACE_WHY_INACTIVE_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/* In the network namespace of this thread, which has this inode number. Their reuse options are not told.
 * Returns how many; 0 as well where the kernel cannot (before 6.8). */
size_t inactive_sockets_find(uint32_t netns, uint16_t port, struct wire_socket *list, size_t max);

#endif
