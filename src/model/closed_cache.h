/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When sockets that are gone went. A look at the kernel takes a while and the probes run meanwhile:
 * a record made before a socket's end may arrive after it, and must not raise it from the dead.
 * Nobody tells the model that a look has begun, so it always remembers.
 */
#ifndef PORTTRACE_MODEL_CLOSED_CACHE_H
#define PORTTRACE_MODEL_CLOSED_CACHE_H

#include <stdint.h>

/*
 * One place for each hash of a cookie, and the later end takes it. Cookies count up and the hash
 * spreads neighbours, so this holds most of the last 8,192 ends: about a second of a storm, where a
 * look takes tenths. What it forgets may leave a wrong entry in the table until that is evicted.
 */
#define CLOSED_CACHE_BITS 13

struct closed_cache {
	struct {
		uint64_t cookie;
		uint64_t boot_ns;
	} ends[1 << CLOSED_CACHE_BITS];
};

void closed_cache_add(struct closed_cache *cache, uint64_t cookie, uint64_t boot_ns);
/* 0: not known to have ended. */
uint64_t closed_cache_find(const struct closed_cache *cache, uint64_t cookie);

#endif
