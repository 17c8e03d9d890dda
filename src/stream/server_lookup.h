/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sockets to which others can connect, of every network namespace, for connections that fail. One scan serves all
 * failures that happened before it; when they are too many for the budget, the last scan serves the rest.
 */
#ifndef PORTTRACE_STREAM_SERVER_LOOKUP_H
#define PORTTRACE_STREAM_SERVER_LOOKUP_H

#include <stdint.h>

#include "source/socket_list.h"
#include "source/source.h"
#include "stream/budget.h"

/* Begins zeroed. */
struct server_lookup {
	struct socket_list found;
	uint64_t begin_boot_ns, end_boot_ns; /* of the last scan; 0: none yet */
	uint16_t port;			     /* of the failure for which it was made */
};

void server_lookup_done(struct server_lookup *lookup);

/* Brings `found` up to the time of the failure, if the budget allows. Repeated failures towards one port use the last
 * scan for a while. */
void server_lookup_run(struct server_lookup *lookup, struct source *source, struct budget *budget, uint16_t port,
		       uint64_t failed_boot_ns);

#endif
