/* SPDX-License-Identifier: GPL-2.0-only */
/* Explains a refused call: looks up the missing facts about the sockets that hold the port, then applies the
 * rules of diagnose/. */
#ifndef PORTTRACE_STREAM_EXPLAIN_H
#define PORTTRACE_STREAM_EXPLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnose/diagnose.h"
#include "stream/lookup.h"

struct explainer;

/* Borrows `lookup`. Without a source (a replay) the events contain the results of the live lookups. */
struct explainer *explainer_new(struct lookup *lookup);
void explainer_free(struct explainer *explainer);

/* Takes the SOCKET events of a capture that the explainer needs; false: the event is for the model. */
bool explainer_take(struct explainer *explainer, const struct wire_socket *event);

/*
 * Refusals come in batches. Pass each SOCKET event of a batch to explainer_prefetch() before any of the batch
 * is explained; then explainer_run_prefetch() finds the descriptors of all holders in one scan. It returns
 * false if the budget is used up and the batch may wait: the events must be passed again later. Both need a
 * source.
 */
void explainer_prefetch(struct explainer *explainer, const struct wire_socket *event);
bool explainer_run_prefetch(struct explainer *explainer, bool may_wait);

/* Frees what was cached for refusals that are over. */
void explainer_expire(struct explainer *explainer, uint64_t now_boot_ns);

/* false: the event is not a refusal of a port. *conflict borrows from the model until it changes. */
bool explain(struct explainer *explainer, const struct wire_hdr *event, struct conflict *conflict);

#endif
