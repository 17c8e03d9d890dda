/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/batch.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES (256 * 1024)

struct batch {
	size_t size;
	_Alignas(8) char data[BATCH_BYTES];
};

struct batch *batch_new(void)
{
	struct batch *batch = malloc(sizeof(*batch));

	if (batch)
		batch_clear(batch);
	return batch;
}

void batch_free(struct batch *batch)
{
	free(batch);
}

size_t batch_room(const struct batch *batch)
{
	return (sizeof(batch->data) - batch->size) / WIRE_KERNEL_EVENT_MAX;
}

static size_t aligned(size_t size)
{
	return (size + 7U) & ~(size_t)7U;
}

bool batch_add(struct batch *batch, const struct wire_hdr *event)
{
	if (event->size > WIRE_KERNEL_EVENT_MAX || !batch_room(batch))
		return false;
	memcpy(batch->data + batch->size, event, event->size);
	batch->size += aligned(event->size);
	return true;
}

bool batch_is_empty(const struct batch *batch)
{
	return !batch->size;
}

const struct wire_hdr *batch_next(const struct batch *batch, const struct wire_hdr *previous)
{
	size_t at = previous ? (size_t)((const char *)previous - batch->data) + aligned(previous->size) : 0;

	return at < batch->size ? (const struct wire_hdr *)(batch->data + at) : NULL;
}

void batch_clear(struct batch *batch)
{
	batch->size = 0;
}
