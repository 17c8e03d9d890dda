/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The counters of the kernel side and of the kernel itself, read at the end of an interval and sent as
 * events: what each process took (WIRE_TRAFFIC), how full the ports are (WIRE_POOL), what makes them run out
 * (WIRE_MISUSE), how long a search for one took (WIRE_SEARCH), and last the namespace, whose WIRE_NETNS ends
 * its interval.
 */
#ifndef PORTTRACE_SOURCE_COUNTERS_H
#define PORTTRACE_SOURCE_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "probe/kernel.h"
#include "system/netns.h"
#include "source/source.h"

struct counters;

/* All but `context` are borrowed until counters_free(). NULL with errno. */
struct counters *counters_new(struct kernel *kernel, struct netns_list *namespaces, source_event_fn event,
			    void *context);
void counters_free(struct counters *counters);

/*
 * Ends an interval: the namespaces in which something changed. The first call begins the first interval.
 * Ports are counted as long as that takes at most a twenty-fifth of the time; last: once more, whatever it takes.
 */
void counters_report(struct counters *counters, bool last);
/* Reads one namespace between two intervals; sends no event. 0 or -ENOMEM. */
int counters_read_one(struct counters *counters, uint32_t netns, struct netns_reading *reading);

#endif
