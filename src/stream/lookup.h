/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds facts in the model, or reads them from the source once. Results from the source are added to the
 * model and to the capture, so that a replay has them too.
 */
#ifndef PORTTRACE_STREAM_LOOKUP_H
#define PORTTRACE_STREAM_LOOKUP_H

#include <stdint.h>

#include "model/model.h"
#include "source/capture.h"
#include "source/source.h"

struct lookup {
	struct model *model;
	struct source *source;		/* NULL: a replay, whose facts are all in the model */
	struct capture_writer *capture; /* NULL: not recording */
	uint64_t invalid;		/* results that are not valid events, or did not fit into the model */
};

/*
 * Borrowed until a process is added to the model. NULL: no process is known, or it has exited. The second also has
 * directory, user, parents and what starts it again, which take as long to read as the rest.
 */
const struct process *process_lookup(struct lookup *lookup, const struct wire_task *task);
const struct process *process_lookup_origin(struct lookup *lookup, const struct wire_task *task);
/* The device that the socket is bound to (SO_BINDTODEVICE). "": none, or it does not exist any more. Borrowed
 * likewise. */
const char *interface_lookup(struct lookup *lookup, const struct wire_sock *sock);
/* The tunnel device that a socket of the kernel serves. NULL: none is known. Borrowed likewise. */
const struct wire_interface *tunnel_lookup(struct lookup *lookup, const struct wire_sock *sock);
/* Reads counters and settings of a network namespace into the model. Needs a source. */
void counters_lookup(struct lookup *lookup, uint32_t netns);

/* Applies a result to the model and records it. */
void lookup_keep(struct lookup *lookup, const struct wire_hdr *event);
/* Records a result that is not for the model. */
void lookup_record(struct lookup *lookup, const struct wire_hdr *event);

/* Applies the counters of a namespace. *is_first: its first interval begins. 0 or -ENOMEM. */
int counters_apply(struct model *model, const struct wire_netns *event, bool *is_first);

#endif
