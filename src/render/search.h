/* SPDX-License-Identifier: GPL-2.0-only */
/* Percentiles of port-search time. */
#ifndef PORTTRACE_RENDER_SEARCH_H
#define PORTTRACE_RENDER_SEARCH_H

#include <stdint.h>

#include "model/netns_table.h"

/* Nanoseconds. The upper end of the bucket, so up to twice the true value, but at most max_ns. */
uint64_t search_percentile(const struct churn_search_diff *search, unsigned int percent);

#endif
