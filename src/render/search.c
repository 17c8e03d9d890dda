/* SPDX-License-Identifier: GPL-2.0-only */
/* Bucket n of the histogram counts searches of 2^n to 2^(n+1) - 1 ns. */
#include "render/search.h"

uint64_t search_percentile(const struct churn_search_diff *search, unsigned int percent)
{
	uint64_t wanted = search->count / 100 * percent + (search->count % 100 * percent + 99) / 100, seen = 0;

	for (unsigned int i = 0; i < WIRE_SEARCH_BUCKETS; i++) {
		uint64_t end = 2ULL << i;

		seen += search->buckets[i];
		if (seen >= wanted && seen)
			return end < search->max_ns ? end : search->max_ns;
	}
	return search->max_ns;
}
