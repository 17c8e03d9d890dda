/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds processes that hold a socket without a descriptor: they mapped it, registered it with an io_uring,
 * have it in an unread message of a unix socket, or are in a system call that began before they closed the
 * descriptor.
 */
#ifndef PORTTRACE_SYSTEM_FDLESS_OWNER_H
#define PORTTRACE_SYSTEM_FDLESS_OWNER_H

#include <stdint.h>

#include "porttrace/wire.h"

typedef void (*fdless_owner_fn)(void *context, const struct wire_task *task);

/*
 * Scans /proc for holders of the socket with this inode number, for at most `budget_ns` of CPU time, and calls `found`
 * for each. A mapping, an io_uring (6.13) and the first message of a queue identify the socket. Later
 * messages, system calls and io_urings of older kernels do not: a process is then reported only if the scan
 * was complete, found no certain holder and no other candidate. The task has the fields that
 * process_task_read() fills in.
 */
void find_fdless_owner(uint64_t inode, uint64_t budget_ns, fdless_owner_fn found, void *context);

#endif
