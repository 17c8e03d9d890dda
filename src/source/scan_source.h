/* SPDX-License-Identifier: GPL-2.0-only */
/* The source for commands that only scan: BPF iterators, or sock_diag where BPF programs may not be loaded. */
#ifndef PORTTRACE_SOURCE_SCAN_SOURCE_H
#define PORTTRACE_SOURCE_SCAN_SOURCE_H

#include "probe/kernel.h"
#include "source/source.h"

/* As live_open(), for options without facts. Borrows options->settings. */
struct source *scan_source_open(const struct kernel_options *options, source_event_fn event, void *context, char *reason,
				size_t size);
/* source_ops.limits(); "" for a source without it. */
void scan_source_limits(const struct source *source, char *text, size_t size);

#endif
