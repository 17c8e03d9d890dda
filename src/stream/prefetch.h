/* SPDX-License-Identifier: GPL-2.0-only */
/* The holders of all refusals in a batch, so that one scan finds the descriptors of all of them. */
#ifndef PORTTRACE_STREAM_PREFETCH_H
#define PORTTRACE_STREAM_PREFETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/source.h"

/* Begins zeroed. */
struct prefetch {
	uint64_t cookies[SCAN_COOKIES_MAX];
	size_t count;
	uint64_t first_boot_ns; /* of the first holder event */
	bool is_needed;		/* one of the sockets was not scanned recently */
};

bool prefetch_is_full(const struct prefetch *prefetch);
/* Whether the socket is in it already. */
bool prefetch_has(const struct prefetch *prefetch, uint64_t cookie);
/* Must not be full. is_known: the socket was scanned recently, so no scan is needed for it. */
void prefetch_add(struct prefetch *prefetch, uint64_t cookie, uint64_t boot_ns, bool is_known);
void prefetch_clear(struct prefetch *prefetch);

#endif
