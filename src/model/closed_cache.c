/* SPDX-License-Identifier: GPL-2.0-only */
/* When sockets that are gone went. */
#include "model/closed_cache.h"

/* Fibonacci hashing: consecutive numbers land far apart. */
static unsigned int place_of(uint64_t cookie)
{
	return cookie * 0x9e3779b97f4a7c15ULL >> (64 - CLOSED_CACHE_BITS);
}

void closed_cache_add(struct closed_cache *cache, uint64_t cookie, uint64_t boot_ns)
{
	unsigned int place = place_of(cookie);

	cache->ends[place].cookie = cookie;
	cache->ends[place].boot_ns = boot_ns;
}

uint64_t closed_cache_find(const struct closed_cache *cache, uint64_t cookie)
{
	unsigned int place = place_of(cookie);

	return cache->ends[place].cookie == cookie ? cache->ends[place].boot_ns : 0;
}
