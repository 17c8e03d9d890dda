/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Facts that the model has, or that the source is asked for once. What the source answers goes into the model
 * and into the capture, so that a replay knows it too.
 */
#ifndef PORTTRACE_STREAM_LOOKUP_H
#define PORTTRACE_STREAM_LOOKUP_H

#include <stdint.h>

#include "model/model.h"
#include "source/capture.h"
#include "source/source.h"

struct lookup {
	struct model *model;
	struct source *source;		/* NULL: a replay, so the model has all there is */
	struct capture_writer *capture; /* NULL: not recording */
	uint64_t invalid;		/* answers that are no valid event, or did not fit the model */
};

/* Borrowed until the model next learns of a process. NULL: no process is known, or it has gone. */
const struct process *process_lookup(struct lookup *lookup, const struct wire_task *task);
/* The device that the socket is bound to (SO_BINDTODEVICE). "": none, or it has gone. Borrowed likewise. */
const char *interface_lookup(struct lookup *lookup, const struct wire_sock *sock);
/* Reads counters and settings of a network namespace into the model. Needs a source. */
void counters_lookup(struct lookup *lookup, uint32_t netns);

/* Applies an answer to the model and records it. */
void lookup_keep(struct lookup *lookup, const struct wire_hdr *event);
/* Records an answer that is not for the model. */
void lookup_record(struct lookup *lookup, const struct wire_hdr *event);

/* Applies the counters of a namespace. *is_first: they begin its first interval. 0 or -ENOMEM. */
int counters_apply(struct model *model, const struct wire_netns *event, bool *is_first);

#endif
