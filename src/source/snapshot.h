/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the sockets that exist, by BPF iterators, as the same wire events that the probes send. */
#ifndef PORTTRACE_SOURCE_SNAPSHOT_H
#define PORTTRACE_SOURCE_SNAPSHOT_H

#include "probe/kernel.h"
#include "system/netns.h"
#include "source/source.h"

struct snapshot;

/* Borrows both until snapshot_free(). NULL with errno. */
struct snapshot *snapshot_new(struct kernel *kernel, struct netns_list *namespaces);
void snapshot_free(struct snapshot *snapshot);

/* As source_ops.scan and .find_fds. 0 or -errno. Skips a namespace that cannot be entered: see
 * netns_list_error(). */
int snapshot_scan(struct snapshot *snapshot, const struct socket_query *query, source_event_fn event,
		  void *context);
int snapshot_find_fds(struct snapshot *snapshot, const uint64_t *cookies, size_t count,
		      struct socket_list *found);

#endif
