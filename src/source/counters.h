/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the counters of the BPF programs and of the kernel at the end of an interval, and sends them as
 * events: ports taken per process (WIRE_TRAFFIC), port searches (WIRE_SEARCH), misuse that exhausts ports
 * (WIRE_MISUSE), ports in use (WIRE_POOL). The WIRE_NETNS of a namespace comes last and ends its interval.
 */
#ifndef PORTTRACE_SOURCE_COUNTERS_H
#define PORTTRACE_SOURCE_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "probe/kernel.h"
#include "system/netns.h"
#include "source/source.h"

struct counters;

/* Borrows all but `context` until counters_free(). pools_at_start: the first counters_report() counts the ports of all
 * namespaces, as far as 0.3 s of CPU time allow; otherwise only where there are TIME_WAITs. NULL with errno. */
struct counters *counters_new(struct kernel *kernel, struct netns_list *namespaces, bool pools_at_start,
			      source_event_fn event, void *context);
void counters_free(struct counters *counters);

/*
 * Ends an interval: sends the namespaces in which something changed. The first call begins the first
 * interval. Ports are counted as long as that uses at most 4 % of the time. last: the final interval; ports
 * are always counted.
 */
void counters_report(struct counters *counters, bool last);
/* Reads one namespace between two intervals; sends no event. 0 or -ENOMEM. */
int counters_read_one(struct counters *counters, uint32_t netns, struct netns_reading *reading);

#endif
