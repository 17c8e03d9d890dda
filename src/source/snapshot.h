/* SPDX-License-Identifier: GPL-2.0-only */
/* Looks at the sockets that exist, by BPF iterators, in the same wire events as the probes send. */
#ifndef PORTTRACE_SOURCE_SNAPSHOT_H
#define PORTTRACE_SOURCE_SNAPSHOT_H

#include "probe/kernel.h"
#include "system/netns.h"
#include "source/source.h"

struct snapshot;

/* Both are borrowed until snapshot_free(). NULL with errno. */
struct snapshot *snapshot_new(struct kernel *kernel, struct netns_list *namespaces);
void snapshot_free(struct snapshot *snapshot);

/* 0 or -errno. A namespace that could not be entered is left out: see netns_list_error(). */
int snapshot_scan(struct snapshot *snapshot, const struct socket_query *look, source_event_fn event,
		  void *context);

#endif
