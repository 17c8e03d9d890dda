/* SPDX-License-Identifier: GPL-2.0-only */
/* SO_REUSEPORT groups: which sockets are members of one, and which of them look forgotten. Pure. */
#ifndef PORTTRACE_DIAGNOSE_GROUP_H
#define PORTTRACE_DIAGNOSE_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

#define GROUP_MARK_OLDER (1U << 0) /* the others' processes started later: a reload left it behind */
#define GROUP_MARK_GROWS (1U << 1) /* its queue has not become shorter while it was watched: nothing reads it */

struct group_member {
	uint64_t started_boot_ns; /* of the youngest process that has it; 0: not known */
	uint32_t queue_first, queue, limit; /* at the first and the last look; of an accept queue: its length */
	bool has_shrunk;	  /* between two looks */
	bool is_watched;	  /* there was more than one look */
	unsigned int marks;	  /* GROUP_MARK_* */
};

/* Whether two servers are in one group: the kernel divides what arrives between them. */
bool group_is_same(const struct wire_sock *a, const struct wire_sock *b);
/* Fills in the marks. */
void group_mark(struct group_member *members, size_t count);

#endif
