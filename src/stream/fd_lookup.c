/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/fd_lookup.h"

#define VALID_NS   FD_CACHE_VALID_NS
#define SCAN_PAUSE 4 /* in durations of the last scan */

void fd_lookup_done(struct fd_lookup *lookup)
{
	fd_cache_done(&lookup->cache);
	socket_list_done(&lookup->found);
}

static uint64_t before(uint64_t boot_ns, uint64_t age_ns)
{
	return boot_ns > age_ns ? boot_ns - age_ns : 0;
}

static void scan(struct fd_lookup *lookup, struct source *source, const uint64_t *cookies, size_t count,
		 uint64_t now_boot_ns)
{
	scan_history_add(&lookup->history, cookies, count, now_boot_ns);
	source->ops->find_fds(source, cookies, count, &lookup->found);
	fd_cache_add(&lookup->cache, &lookup->found);
	lookup->history.took_ns = lookup->found.took_ns;
	lookup->history.end_boot_ns = now_boot_ns + lookup->found.took_ns;
	budget_charge(&lookup->budget, lookup->found.took_ns);
}

void fd_lookup_prefetch(struct fd_lookup *lookup, struct source *source, uint64_t cookie, uint64_t refused_boot_ns,
			uint64_t now_boot_ns)
{
	bool is_known;

	if (prefetch_has(&lookup->prefetch, cookie))
		return;
	if (prefetch_is_full(&lookup->prefetch))
		fd_lookup_run_prefetch(lookup, source, false, now_boot_ns);
	is_known = scan_history_has(&lookup->history, &cookie, 1, before(refused_boot_ns, VALID_NS));
	prefetch_add(&lookup->prefetch, cookie, refused_boot_ns, is_known);
}

bool fd_lookup_run_prefetch(struct fd_lookup *lookup, struct source *source, bool may_wait, uint64_t now_boot_ns)
{
	struct prefetch *prefetch = &lookup->prefetch;
	bool is_needed = prefetch->is_needed;
	bool is_allowed = budget_available(&lookup->budget, now_boot_ns) || !may_wait;

	if (is_needed && is_allowed) {
		/* As old as the first refusal: keeps the results of earlier scans for other holders of the
		 * batch. */
		fd_cache_drop(&lookup->cache, prefetch->cookies, prefetch->count, prefetch->first_boot_ns);
		scan(lookup, source, prefetch->cookies, prefetch->count, now_boot_ns);
	}
	prefetch_clear(prefetch);
	return !is_needed || is_allowed;
}

/*
 * Whether a scan fits the budget. New holders may use 50 % of the time for scans, new callers 20 %. Repeated
 * refusals of one caller by one holder use the last scan.
 */
static bool may_scan(struct fd_lookup *lookup, const uint64_t *cookies, size_t count, uint32_t pid,
		     uint64_t now_boot_ns)
{
	const struct scan_history *history = &lookup->history;

	if (!budget_available(&lookup->budget, now_boot_ns))
		return false;
	if (now_boot_ns < history->end_boot_ns + SCAN_PAUSE * history->took_ns &&
	    scan_history_has(history, cookies, count, before(now_boot_ns, VALID_NS)) &&
	    scan_history_has_caller(history, pid, before(now_boot_ns, VALID_NS)))
		return false;
	scan_history_add_caller(&lookup->history, pid, now_boot_ns);
	return true;
}

bool fd_lookup_find(struct fd_lookup *lookup, struct source *source, const uint64_t *cookies, size_t count,
		    uint32_t pid, uint64_t refused_boot_ns, uint64_t now_boot_ns)
{
	bool is_scanned = scan_history_has(&lookup->history, cookies, count, refused_boot_ns);
	bool is_current = is_scanned || may_scan(lookup, cookies, count, pid, now_boot_ns);
	bool is_needed = count && !is_scanned && is_current;

	fd_cache_drop(&lookup->cache, cookies, is_needed ? count : 0, refused_boot_ns);
	if (is_needed)
		scan(lookup, source, cookies, count, now_boot_ns);
	return is_current && (!count || lookup->found.is_complete);
}
