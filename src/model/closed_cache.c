/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/closed_cache.h"

/* Fibonacci hashing spreads consecutive cookies. */
static unsigned int slot_of(uint64_t cookie)
{
	return cookie * 0x9e3779b97f4a7c15ULL >> (64 - CLOSED_CACHE_BITS);
}

void closed_cache_add(struct closed_cache *cache, uint64_t cookie, uint64_t boot_ns)
{
	unsigned int slot = slot_of(cookie);

	cache->ends[slot].cookie = cookie;
	cache->ends[slot].boot_ns = boot_ns;
}

uint64_t closed_cache_find(const struct closed_cache *cache, uint64_t cookie)
{
	unsigned int slot = slot_of(cookie);

	return cache->ends[slot].cookie == cookie ? cache->ends[slot].boot_ns : 0;
}
