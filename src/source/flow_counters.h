/* SPDX-License-Identifier: GPL-2.0-only */
/* The per-process part of a sample: source/sample.c asks for it. */
#ifndef PORTTRACE_SOURCE_FLOW_COUNTERS_H
#define PORTTRACE_SOURCE_FLOW_COUNTERS_H

#include "probe/kernel.h"
#include "source/source.h"

struct sample_flows;

/* NULL with errno. */
struct sample_flows *sample_flows_new(struct kernel *kernel, source_event_fn event, void *context);
void sample_flows_free(struct sample_flows *flows);

/* What every process took so far, as WIRE_TRAFFIC, how long searches took, as WIRE_SEARCH, and what they did
 * that makes ports run out, as WIRE_MISUSE. */
void sample_flows(struct sample_flows *flows);

/* Processes that took ports of a namespace, each once; returns how many, `max` at most. */
size_t sample_flows_owners(const struct sample_flows *flows, uint32_t netns, uint32_t *pids, size_t max);

/* A namespace has gone, and its number may be another's next. */
void sample_flows_forget(struct sample_flows *flows, uint32_t netns);

/* Of the map of the kernel side: how many made room for others until the last sample_flows(). */
uint64_t sample_flows_forgotten(const struct sample_flows *flows);

/* As WIRE_MISUSE, unless it was said of this process, or of nobody in this namespace, before. */
void sample_misuse(struct sample_flows *flows, const struct wire_sock *sock, const struct wire_task *task,
		   enum wire_misuse_kind kind, uint64_t count);
/* TIME_WAITs of this namespace did not fit: whose, as seen by sample_flows(), else nobody's. */
void sample_overflow(struct sample_flows *flows, const struct wire_netns *netns);

#endif
