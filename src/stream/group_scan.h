/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the SO_REUSEPORT groups in a list of sockets, and watches their queues for a moment. */
#ifndef PORTTRACE_STREAM_GROUP_SCAN_H
#define PORTTRACE_STREAM_GROUP_SCAN_H

#include "diagnose/group.h"
#include "stream/lookup.h"

/* For each entry of the list: its group. */
struct group_list {
	struct group_member *members; /* one for each entry */
	size_t *sizes;		      /* members of the group that begins with this entry; 0: begins none */
};

/*
 * `entries`: members of a group are next to each other. Where a member's queue is not empty, reads the queues twice more
 * in 0.2 s; without a source, not. 0 or -ENOMEM.
 */
int group_scan(struct lookup *lookup, const struct port_entry *const *entries, size_t count, struct group_list *list);
void group_list_free(struct group_list *list);

#endif
