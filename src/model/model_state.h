/* SPDX-License-Identifier: GPL-2.0-only */
/* The inside of struct model, for model.c and apply.c only. */
#ifndef PORTTRACE_MODEL_MODEL_STATE_H
#define PORTTRACE_MODEL_MODEL_STATE_H

#include "model/closed_cache.h"
#include "model/closed_servers.h"
#include "model/failure_ring.h"
#include "model/model.h"

#define INTERFACES_MAX 64

struct model {
	struct port_table *ports;
	struct process_table *processes;
	struct netns_table *namespaces;
	struct pool_table *pools;
	struct failure_ring failures;
	struct repeat_table repeats;
	struct reservation_ring tcp_reservations, udp_reservations;
	struct closed_cache closed;
	struct closed_servers servers;
	struct wire_interface interfaces[INTERFACES_MAX]; /* ifindex 0: free */
	unsigned int next_interface;			  /* the oldest: the next to be overwritten */
};

#endif
