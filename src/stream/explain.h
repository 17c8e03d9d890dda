/* SPDX-License-Identifier: GPL-2.0-only */
/* Explains a refused call: looks up what is not known of the sockets that hold the port, then asks the rules. */
#ifndef PORTTRACE_STREAM_EXPLAIN_H
#define PORTTRACE_STREAM_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnose/diagnose.h"
#include "stream/lookup.h"

struct explainer;

/* `lookup` is borrowed. Without a source (a replay) the events bring everything that was looked up live. */
struct explainer *explainer_new(struct lookup *lookup);
void explainer_free(struct explainer *explainer);

/* Takes the SOCKET events of a capture that are for the explainer; false: the event is for the model. */
bool explainer_take(struct explainer *explainer, const struct wire_socket *event);

/*
 * Refusals come in batches. Each SOCKET event of a batch is passed here before any of the batch is explained;
 * explainer_run_prefetch() then finds the descriptors of all holders at once. false: there is no budget for that
 * now, so the batch had better wait, if the caller may; its events are to be passed again then. Both need a
 * source.
 */
void explainer_prefetch(struct explainer *explainer, const struct wire_socket *event);
bool explainer_run_prefetch(struct explainer *explainer, bool may_wait);

/* Frees what was cached for refusals that are over. */
void explainer_expire(struct explainer *explainer, uint64_t now_boot_ns);

/* false: the event is not a refusal over a port. *conflict borrows from the model until it changes. */
bool explain(struct explainer *explainer, const struct wire_hdr *event, struct conflict *conflict);

#endif
