/* SPDX-License-Identifier: GPL-2.0-only */
#include "diagnose/group.h"

#include <string.h>

#include "model/model.h"
#include "util/protocol.h"

/* Workers of one start begin within this time. */
#define GENERATION_NS 10000000000ULL

bool group_is_same(const struct wire_sock *a, const struct wire_sock *b)
{
	return a->flags & b->flags & WIRE_REUSEPORT && wire_sock_is_server(a) && wire_sock_is_server(b) &&
	       a->netns == b->netns && a->protocol == b->protocol && a->local_port == b->local_port &&
	       a->uid == b->uid && a->ifindex == b->ifindex && !((a->flags ^ b->flags) & WIRE_V6ONLY) &&
	       memcmp(a->local_addr, b->local_addr, sizeof(a->local_addr)) == 0;
}

/* At least as many members belong to processes that started later, all of them well after this one: one worker that was
 * started again does not make the others old. */
static bool is_older(const struct group_member *members, size_t count, const struct group_member *member)
{
	size_t older = 0, younger = 0;

	if (!member->started_boot_ns)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!members[i].started_boot_ns)
			return false;
		if (members[i].started_boot_ns > member->started_boot_ns + GENERATION_NS)
			younger++;
		else
			older++;
	}
	return younger >= older;
}

/* A full queue cannot grow. */
static bool grows(const struct group_member *member)
{
	return member->is_watched && member->queue && !member->has_shrunk &&
	       (member->queue > member->queue_first || member->queue > member->limit);
}

void group_mark(struct group_member *members, size_t count)
{
	for (size_t i = 0; i < count; i++)
		members[i].marks = (is_older(members, count, &members[i]) ? GROUP_MARK_OLDER : 0) |
				   (grows(&members[i]) ? GROUP_MARK_GROWS : 0);
}
