/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds which processes have the holders of a refused port open, at a limited rate even if calls are refused
 * thousands of times per second. A scan reads the descriptor table of every process, so its result is shared.
 */
#ifndef PORTTRACE_STREAM_FD_LOOKUP_H
#define PORTTRACE_STREAM_FD_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/source.h"
#include "stream/budget.h"
#include "stream/fd_cache.h"
#include "stream/prefetch.h"
#include "stream/scan_history.h"

/* Begins zeroed. */
struct fd_lookup {
	struct budget budget; /* of all lookups, not only of descriptors */
	struct scan_history history;
	struct fd_cache cache;
	struct prefetch prefetch;
	struct socket_list found; /* the result of the last scan */
};

void fd_lookup_done(struct fd_lookup *lookup);

/* Adds a holder of a refusal in the batch that is not explained yet. */
void fd_lookup_prefetch(struct fd_lookup *lookup, struct source *source, uint64_t cookie, uint64_t refused_boot_ns,
			uint64_t now_boot_ns);
/*
 * Scans for the added holders, if one of them is unknown. false: the budget is used up and `may_wait` is set,
 * so keep the batch for a while and add its holders again. Without `may_wait` it scans over budget, because
 * one scan serves the whole batch.
 */
bool fd_lookup_run_prefetch(struct fd_lookup *lookup, struct source *source, bool may_wait, uint64_t now_boot_ns);

/*
 * Updates the cache for the sockets that refused a call of `pid`. true: their entries are complete and as new
 * as the refusal; false: the budget is used up, so they may be up to 100 ms older.
 */
bool fd_lookup_find(struct fd_lookup *lookup, struct source *source, const uint64_t *cookies, size_t count,
		    uint32_t pid, uint64_t refused_boot_ns, uint64_t now_boot_ns);

#endif
