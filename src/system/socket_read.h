/* SPDX-License-Identifier: GPL-2.0-only */
/* What a descriptor tells about its socket, by getsockopt(2): in the case of another process, a copy of it. */
#ifndef PORTTRACE_SYSTEM_SOCKET_READ_H
#define PORTTRACE_SYSTEM_SOCKET_READ_H

#include "porttrace/wire.h"

/* Sets sock->protocol and the options in sock->flags, and clears WIRE_UNKNOWN_REUSE. */
void socket_read_options(int fd, struct wire_sock *sock);

/*
 * Fills *socket as inet_sockets_list() does, options included. sock.netns is 0 where the caller lacks CAP_NET_ADMIN in
 * the network namespace. 0; -ENOENT: not an internet socket with a port; or -errno.
 */
int socket_read(int fd, struct wire_socket *socket);

#endif
