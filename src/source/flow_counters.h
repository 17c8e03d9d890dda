/* SPDX-License-Identifier: GPL-2.0-only */
/* The counters per process and destination, which counters.c reads at the end of an interval. */
#ifndef PORTTRACE_SOURCE_FLOW_COUNTERS_H
#define PORTTRACE_SOURCE_FLOW_COUNTERS_H

#include "porttrace/port_usage.h"
#include "probe/kernel.h"
#include "source/source.h"

struct flow_counters;

/* NULL with errno. */
struct flow_counters *flow_counters_new(struct kernel *kernel, source_event_fn event, void *context);
void flow_counters_free(struct flow_counters *flows);

/* Sends the totals so far: ports taken by each process (WIRE_TRAFFIC), the duration of port searches
 * (WIRE_SEARCH), and new misuse that exhausts ports (WIRE_MISUSE). */
void flow_counters_read(struct flow_counters *flows);

/* Fills `pids` with up to `max` processes that took ports in a namespace, each once. Returns how many. */
size_t flow_counters_owners(const struct flow_counters *flows, uint32_t netns, uint32_t *pids, size_t max);

/* The address pair of a namespace for which connect() of TCP took most ports between the last two
 * flow_counters_read(). false: it took none. */
bool flow_counters_busiest(const struct flow_counters *flows, uint32_t netns, struct port_usage_key *busiest);

/* Removes what is kept for a namespace that has ended: its inode number may be reused. */
void flow_counters_forget(struct flow_counters *flows, uint32_t netns);

/* How many flows the BPF map has evicted, up to the last flow_counters_read(). */
uint64_t flow_counters_evicted(const struct flow_counters *flows);

/* Sends WIRE_MISUSE, once per kind and process; once per namespace if no process is known. */
void flow_counters_misuse(struct flow_counters *flows, const struct wire_sock *sock, const struct wire_task *task,
		   enum wire_misuse_kind kind, uint64_t count);
/* Sends WIRE_MISUSE_OVERFLOW for the processes whose TIME_WAITs were dropped in this namespace, as the last
 * flow_counters_read() saw it; without a process if it saw none. */
void flow_counters_overflow(struct flow_counters *flows, const struct wire_netns *netns);

#endif
