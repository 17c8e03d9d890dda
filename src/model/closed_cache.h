/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The times when recent sockets were closed. A scan takes time, and probes report meanwhile: a scan result
 * that is older than the close may arrive after it, and must not add the socket again. The model does not
 * know when a scan runs, so it always keeps this cache.
 */
#ifndef PORTTRACE_MODEL_CLOSED_CACHE_H
#define PORTTRACE_MODEL_CLOSED_CACHE_H

#include <stdint.h>

/*
 * One slot per hash of a cookie; a later close overwrites it. Cookies are consecutive and the hash spreads
 * them, so the cache holds most of the last 8,192 closes: about 1 s at the highest load, while a scan takes
 * about 0.1 s. After an overwrite a closed socket may stay in the port table until it is evicted.
 */
#define CLOSED_CACHE_BITS 13

struct closed_cache {
	struct {
		uint64_t cookie;
		uint64_t boot_ns;
	} ends[1 << CLOSED_CACHE_BITS];
};

void closed_cache_add(struct closed_cache *cache, uint64_t cookie, uint64_t boot_ns);
/* The time of the close; 0: not known. */
uint64_t closed_cache_find(const struct closed_cache *cache, uint64_t cookie);

#endif
