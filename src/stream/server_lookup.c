/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/server_lookup.h"

#include "util/clock.h"

#define PAUSE 4 /* in durations of the last scan */

void server_lookup_done(struct server_lookup *lookup)
{
	socket_list_done(&lookup->found);
}

void server_lookup_run(struct server_lookup *lookup, struct source *source, struct budget *budget, uint16_t port,
		       uint64_t failed_boot_ns)
{
	const struct socket_query query = {.servers = true};
	uint64_t now = clock_boot_ns(), took = lookup->end_boot_ns - lookup->begin_boot_ns;

	if (lookup->begin_boot_ns > failed_boot_ns || !budget_available(budget, now) ||
	    (lookup->port == port && now < lookup->end_boot_ns + PAUSE * took))
		return;
	lookup->port = port;
	socket_list_clear(&lookup->found);
	source->ops->scan(source, &query, socket_list_add_event, &lookup->found);
	lookup->begin_boot_ns = now;
	lookup->end_boot_ns = clock_boot_ns();
	budget_charge(budget, lookup->end_boot_ns - now);
}
