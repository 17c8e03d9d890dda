/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds another program that serves the port of a new server. */
#ifndef PORTTRACE_STREAM_SECOND_SERVER_H
#define PORTTRACE_STREAM_SECOND_SERVER_H

#include "diagnose/second_server.h"
#include "stream/lookup.h"

/* A pair of programs was warned of. */
struct second_server_known {
	enum second_server kind;
	uint32_t netns;
	uint16_t port, protocol;
	char comms[2][sizeof(((struct wire_task *)0)->comm)];
};

/* Starts zeroed. */
struct second_server_finder {
	struct second_server_known known[64]; /* a ring */
	size_t next;
	uint64_t second; /* of the events that were last looked at */
	unsigned int looked_at; /* in that second */
};

/* `event`: a listen(), or a bind() of UDP, that succeeded and is in the model. true: *warning is due, once for each pair of
 * programs and port. Looks at 100 events a second at most, so that a flood of servers costs little. */
bool second_server_find(struct second_server_finder *finder, struct lookup *lookup, const struct wire_hdr *event,
			struct warning *warning);

#endif
