/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/prefetch.h"

bool prefetch_is_full(const struct prefetch *prefetch)
{
	return prefetch->count == SCAN_COOKIES_MAX;
}

bool prefetch_has(const struct prefetch *prefetch, uint64_t cookie)
{
	for (size_t i = 0; i < prefetch->count; i++) {
		if (prefetch->cookies[i] == cookie)
			return true;
	}
	return false;
}

void prefetch_add(struct prefetch *prefetch, uint64_t cookie, uint64_t boot_ns, bool is_known)
{
	if (!prefetch->count)
		prefetch->first_boot_ns = boot_ns;
	prefetch->cookies[prefetch->count++] = cookie;
	prefetch->is_needed |= !is_known;
}

void prefetch_clear(struct prefetch *prefetch)
{
	prefetch->count = 0;
	prefetch->is_needed = false;
}
