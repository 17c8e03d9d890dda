/* SPDX-License-Identifier: GPL-2.0-only */
/* Joins a refused call with whoever holds the port: asks the source what is missing, then the rules. */
#ifndef PORTTRACE_STREAM_EXPLAIN_H
#define PORTTRACE_STREAM_EXPLAIN_H

#include <stdbool.h>

#include "diagnose/diagnose.h"
#include "model/model.h"
#include "source/source.h"

struct explainer;

/* Without a source (a replay) the events must bring all there is to know. */
struct explainer *explainer_new(struct model *model);
void explainer_free(struct explainer *explainer);
/* What the source has answered already goes to `event` again, as if it had been asked again. */
void explainer_set_source(struct explainer *explainer, struct source *source, source_event_fn event,
			  void *context);

/* Every SOCKET event passes here first: it may be the answer to a question. true: it is not for the model. */
bool explainer_take(struct explainer *explainer, const struct wire_socket *event);

/*
 * Refusals come in batches. Each holder event of a batch is shown here before any of the batch is explained,
 * and then one look serves all of them. _look_ahead() is false when there is no time for a look, and to wait
 * is better, if the caller may; the holders are to be shown again then.
 */
void prefetch_add(struct explainer *explainer, const struct wire_socket *event);
bool prefetch_run(struct explainer *explainer, bool may_wait);

/* Time passes: what was kept for a storm of refusals is let go. */
void explainer_idle(struct explainer *explainer, uint64_t now_boot_ns);

/* false: the event is no refusal over a port. *conflict borrows from the model. */
bool explain(struct explainer *explainer, const struct wire_hdr *event, struct conflict *conflict);

#endif
