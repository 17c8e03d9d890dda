/* SPDX-License-Identifier: GPL-2.0-only */
/* The last 64 refused calls, each with the sockets that held its port. */
#ifndef PORTTRACE_MODEL_FAILURE_RING_H
#define PORTTRACE_MODEL_FAILURE_RING_H

#include "model/model.h"

#define FAILURES_MAX 64

struct failure_ring {
	struct failure failures[FAILURES_MAX]; /* id 0: free */
	unsigned int next;		       /* the oldest: the next to be overwritten */
};

void failure_ring_done(struct failure_ring *ring);
/* Adds a holder or completes it. `known`: its entry in the port table, or NULL. 0 or -ENOMEM. */
int failure_ring_add(struct failure_ring *ring, const struct wire_socket *event,
		     const struct port_entry *known);
/* The owner of this holder had exited when the refusal was explained. */
void failure_ring_set_owner_gone(struct failure_ring *ring, const struct wire_socket *event);
const struct failure *failure_ring_find(const struct failure_ring *ring, uint64_t id);

#endif
