/* SPDX-License-Identifier: GPL-2.0-only */
/* The running kernel as a source: probes, ring buffer, snapshot iterators and counters. */
#ifndef PORTTRACE_SOURCE_LIVE_H
#define PORTTRACE_SOURCE_LIVE_H

#include "probe/kernel.h"
#include "source/source.h"

/* `event` gets the events of drain() and report_interval(). NULL with errno and `reason` as kernel_open(). */
struct source *live_open(const struct kernel_options *options, source_event_fn event, void *context,
			 char *reason, size_t size);

/* The attached programs, for the start record and `doctor`. `source` comes from live_open(). */
const struct kernel_fact *live_facts(const struct source *source);
const char *live_probes(const struct source *source); /* kernel_probes() */
/* Whether the ports in use can be counted: bpf/port_usage.bpf.c is loaded. */
bool live_counts_ports(const struct source *source);

#endif
