/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists TCP sockets that are bound and neither listen nor are connected, by sock_diag. Iterators find such a
 * socket only by its descriptor; one in an unread message or registered with an io_uring has no descriptor.
 */
#ifndef PORTTRACE_WHY_INACTIVE_SOCKETS_H
#define PORTTRACE_WHY_INACTIVE_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/*
 * Fills `list` with up to `max` sockets on this port in the network namespace of this thread, whose inode
 * number is `netns`. sock_diag does not report their reuse options. Returns their number; 0 also if the
 * kernel cannot list them (before 6.8, or without inet_diag).
 */
size_t inactive_sockets_find(uint32_t netns, uint16_t port, struct wire_socket *list, size_t max);

#endif
