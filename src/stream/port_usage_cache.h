/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All sockets of one network namespace, counted because a call was refused for lack of a free port; valid for
 * 1 s. They have a model of their own: they may be many, and most do not pass the filters of the stream.
 */
#ifndef PORTTRACE_STREAM_PORT_USAGE_CACHE_H
#define PORTTRACE_STREAM_PORT_USAGE_CACHE_H

#include <stdint.h>

#include "model/model.h"
#include "porttrace/wire.h"

/* Begins zeroed. */
struct port_usage_cache {
	struct model *model; /* NULL: empty */
	uint32_t netns;
	uint64_t begin_boot_ns, last_boot_ns; /* when the count began; time of its last socket */
};

void port_usage_cache_done(struct port_usage_cache *cache);
/* Empties the cache and begins a count of this namespace. 0 or -ENOMEM: the cache stays empty. */
int port_usage_cache_begin(struct port_usage_cache *cache, uint32_t netns, uint64_t now_boot_ns);
/* Adds a socket to the count that has begun. */
void port_usage_cache_add(struct port_usage_cache *cache, const struct wire_socket *socket);
/* Adds a socket of a capture, which does not mark the start of a count. Counts of one namespace are almost 1
 * s apart, so a gap of 0.5 s or another namespace begins a new one. */
void port_usage_cache_replay(struct port_usage_cache *cache, const struct wire_socket *socket);
/* The sockets of the namespace; NULL: not counted within the last second. */
struct model *port_usage_cache_find(const struct port_usage_cache *cache, uint32_t netns, uint64_t now_boot_ns);
/* Frees a count that is too old. */
void port_usage_cache_expire(struct port_usage_cache *cache, uint64_t now_boot_ns);

#endif
