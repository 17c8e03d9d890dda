/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/port_usage_cache.h"

#include <errno.h>

#define VALID_NS    1000000000ULL
#define SOCKETS_MAX (4 * 65536)

void port_usage_cache_done(struct port_usage_cache *cache)
{
	model_free(cache->model);
	*cache = (struct port_usage_cache){0};
}

int port_usage_cache_begin(struct port_usage_cache *cache, uint32_t netns, uint64_t now_boot_ns)
{
	model_free(cache->model);
	*cache = (struct port_usage_cache){
		.model = model_new(&(struct model_limits){.sockets = SOCKETS_MAX}),
		.netns = netns,
		.begin_boot_ns = now_boot_ns,
	};
	return cache->model ? 0 : -ENOMEM;
}

void port_usage_cache_add(struct port_usage_cache *cache, const struct wire_socket *socket)
{
	cache->last_boot_ns = socket->hdr.boot_ns;
	if (cache->model)
		model_apply(cache->model, &socket->hdr);
}

void port_usage_cache_replay(struct port_usage_cache *cache, const struct wire_socket *socket)
{
	uint64_t now_boot_ns = socket->hdr.boot_ns;

	if (!cache->model || cache->netns != socket->sock.netns || now_boot_ns - cache->last_boot_ns > VALID_NS / 2)
		port_usage_cache_begin(cache, socket->sock.netns, now_boot_ns);
	port_usage_cache_add(cache, socket);
}

struct model *port_usage_cache_find(const struct port_usage_cache *cache, uint32_t netns, uint64_t now_boot_ns)
{
	/* In a replay a count may begin slightly after the refusal that caused it. */
	bool is_valid = now_boot_ns < cache->begin_boot_ns || now_boot_ns - cache->begin_boot_ns < VALID_NS;

	return cache->netns == netns && is_valid ? cache->model : NULL;
}

void port_usage_cache_expire(struct port_usage_cache *cache, uint64_t now_boot_ns)
{
	if (cache->model && !port_usage_cache_find(cache, cache->netns, now_boot_ns))
		port_usage_cache_done(cache);
}
