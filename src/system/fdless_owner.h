/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who has a socket without a descriptor of it: mapped, registered with an io_uring, in a message that nobody
 * has read, or in a call that began before the descriptor was closed.
 */
#ifndef PORTTRACE_SYSTEM_FDLESS_OWNER_H
#define PORTTRACE_SYSTEM_FDLESS_OWNER_H

#include <stdint.h>

#include "porttrace/wire.h"

typedef void (*fdless_owner_fn)(void *context, const struct wire_task *task);

/*
 * Looks through /proc for the socket with this inode number, for at most `budget_ns`. What a mapping, an
 * io_uring or the first message of a queue has is certain. A later message and a call do not say which socket
 * they are about: these processes are told only if nobody else is found in that position. Of a process pid,
 * start, comm and uid are told.
 */
void find_fdless_owner(uint64_t inode, uint64_t budget_ns, fdless_owner_fn found, void *context);

#endif
