/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/fd_cache.h"

void fd_cache_done(struct fd_cache *cache)
{
	socket_list_done(&cache->fds);
}

void fd_cache_drop(struct fd_cache *cache, const uint64_t *cookies, size_t count, uint64_t now_boot_ns)
{
	struct wire_socket *fds = cache->fds.sockets;
	size_t kept = 0;

	for (size_t i = 0; i < cache->fds.count; i++) {
		bool keep = fds[i].hdr.boot_ns + FD_CACHE_VALID_NS >= now_boot_ns;

		for (size_t j = 0; keep && j < count; j++)
			keep = cookies[j] != fds[i].sock.cookie;
		if (keep)
			fds[kept++] = fds[i];
	}
	cache->fds.count = kept;
}

void fd_cache_add(struct fd_cache *cache, const struct socket_list *found)
{
	for (size_t i = 0; i < found->count; i++)
		socket_list_add(&cache->fds, &found->sockets[i]);
}

const struct wire_socket *fd_cache_next(const struct fd_cache *cache, uint64_t cookie,
					const struct wire_socket *previous)
{
	size_t i = previous ? (size_t)(previous - cache->fds.sockets) + 1 : 0;

	for (; i < cache->fds.count; i++) {
		if (cache->fds.sockets[i].sock.cookie == cookie)
			return &cache->fds.sockets[i];
	}
	return NULL;
}
