/* SPDX-License-Identifier: GPL-2.0-only */
/* The events of the ring since it was last empty, kept so that their refusals are looked up together. */
#ifndef PORTTRACE_STREAM_BATCH_H
#define PORTTRACE_STREAM_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

struct batch;

/* NULL: no memory. */
struct batch *batch_new(void);
void batch_free(struct batch *batch);

/* How many more events fit, of any kind. */
size_t batch_room(const struct batch *batch);
/* Copies an event of the BPF programs. false: it is too large, or the batch is full. */
bool batch_add(struct batch *batch, const struct wire_hdr *event);
bool batch_is_empty(const struct batch *batch);
/* The next event, aligned to 8 and borrowed until the batch changes; `previous` NULL: the first. NULL: the end. */
const struct wire_hdr *batch_next(const struct batch *batch, const struct wire_hdr *previous);
void batch_clear(struct batch *batch);

#endif
