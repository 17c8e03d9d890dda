/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which processes have a socket open: finds the descriptors of a refusal's holders, at a pace that a storm of
 * refusals cannot drive up. A scan reads the descriptor table of every process, so its result is shared.
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
	struct budget budget; /* of all lookups, not only these */
	struct scan_history history;
	struct fd_cache cache;
	struct prefetch prefetch;
	struct socket_list found; /* the result of the last scan */
};

void fd_lookup_done(struct fd_lookup *lookup);

/* Adds a holder of a refusal that is in the batch and not explained yet. */
void fd_lookup_prefetch(struct fd_lookup *lookup, struct source *source, uint64_t cookie, uint64_t refused_boot_ns,
			uint64_t now_boot_ns);
/*
 * Scans for all of them, if one is not known yet. false: the budget is used up, and with `may_wait` it is
 * better to keep the batch for a while; then its holders have to be added again. Without `may_wait` it scans over
 * budget: one scan serves all of the batch.
 */
bool fd_lookup_run_prefetch(struct fd_lookup *lookup, struct source *source, bool may_wait, uint64_t now_boot_ns);

/*
 * Brings the cache up to date for the sockets that refused a call of `pid`. true: what the cache has of them is
 * complete and as new as the refusal; false: there was no budget for a scan, so it may be up to 100 ms older.
 */
bool fd_lookup_find(struct fd_lookup *lookup, struct source *source, const uint64_t *cookies, size_t count,
		    uint32_t pid, uint64_t refused_boot_ns, uint64_t now_boot_ns);

#endif
