/* SPDX-License-Identifier: GPL-2.0-only */
/* Percentiles of the searches for a port. */
#ifndef PORTTRACE_RENDER_SEARCH_H
#define PORTTRACE_RENDER_SEARCH_H

#include <stdint.h>

#include "model/netns_table.h"

/* So many of a hundred took at most this, in nanoseconds: the end of its bucket, so up to twice too much,
 * but never more than the longest. */
uint64_t search_percentile(const struct churn_search_diff *search, unsigned int percent);

#endif
