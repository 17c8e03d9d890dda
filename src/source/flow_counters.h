/* SPDX-License-Identifier: GPL-2.0-only */
/* The per-process part of a sample: source/sample.c asks for it. */
#ifndef PORTTRACE_SOURCE_FLOW_COUNTERS_H
#define PORTTRACE_SOURCE_FLOW_COUNTERS_H

#include "probe/kernel.h"
#include "source/source.h"

struct flow_counters;

/* NULL with errno. */
struct flow_counters *flow_counters_new(struct kernel *kernel, source_event_fn event, void *context);
void flow_counters_free(struct flow_counters *flows);

/* What every process took so far, as WIRE_TRAFFIC, how long searches took, as WIRE_SEARCH, and what they did
 * that makes ports run out, as WIRE_MISUSE. */
void flow_counters_read(struct flow_counters *flows);

/* Processes that took ports of a namespace, each once; returns how many, `max` at most. */
size_t flow_counters_owners(const struct flow_counters *flows, uint32_t netns, uint32_t *pids, size_t max);

/* A namespace has gone, and its number may be another's next. */
void flow_counters_forget(struct flow_counters *flows, uint32_t netns);

/* Of the map of the kernel side: how many made room for others until the last flow_counters_read(). */
uint64_t flow_counters_evicted(const struct flow_counters *flows);

/* As WIRE_MISUSE, unless it was said of this process, or of nobody in this namespace, before. */
void flow_counters_misuse(struct flow_counters *flows, const struct wire_sock *sock, const struct wire_task *task,
		   enum wire_misuse_kind kind, uint64_t count);
/* TIME_WAITs of this namespace did not fit: whose, as seen by flow_counters_read(), else nobody's. */
void flow_counters_overflow(struct flow_counters *flows, const struct wire_netns *netns);

#endif
