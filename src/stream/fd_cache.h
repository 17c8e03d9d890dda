/* SPDX-License-Identifier: GPL-2.0-only */
/* The descriptors that the last scans found, each valid for 100 ms. */
#ifndef PORTTRACE_STREAM_FD_CACHE_H
#define PORTTRACE_STREAM_FD_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "source/socket_list.h"

#define FD_CACHE_VALID_NS 100000000ULL

/* Begins zeroed. hdr.boot_ns of an entry is when it was found. */
struct fd_cache {
	struct socket_list fds;
};

void fd_cache_done(struct fd_cache *cache);
/* Drops entries older than FD_CACHE_VALID_NS, and those of these sockets, which the next scan finds again. */
void fd_cache_drop(struct fd_cache *cache, const uint64_t *cookies, size_t count, uint64_t now_boot_ns);
void fd_cache_add(struct fd_cache *cache, const struct socket_list *found);
/* The next descriptor of a socket, in the order in which they were found; `previous` NULL: the first. Borrowed
 * until the cache changes. NULL: there are no more. */
const struct wire_socket *fd_cache_next(const struct fd_cache *cache, uint64_t cookie,
					const struct wire_socket *previous);

#endif
