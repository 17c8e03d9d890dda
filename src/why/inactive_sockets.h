/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP sockets that are bound, and neither listen nor are connected, as sock_diag lists them. The iterators
 * find such a socket only by a descriptor, which one in an unread message or registered with an io_uring
 * lacks.
 */
#ifndef PORTTRACE_WHY_INACTIVE_SOCKETS_H
#define PORTTRACE_WHY_INACTIVE_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/*
 * Fills `list` with up to `max` sockets on this port, in the network namespace of this thread, whose inode
 * number is `netns`. sock_diag does not report their reuse options. Returns how many; 0 as well if the
 * kernel cannot list them (before 6.8, or without inet_diag).
 */
size_t inactive_sockets_find(uint32_t netns, uint16_t port, struct wire_socket *list, size_t max);

#endif
