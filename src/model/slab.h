/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects of one size, from chunks that go back to the system when empty. malloc() would keep what
 * a storm took: one long-lived object at the top of the heap holds up everything below it.
 */
#ifndef PORTTRACE_MODEL_SLAB_H
#define PORTTRACE_MODEL_SLAB_H

#include <stddef.h>

struct slab_chunk;

struct slab {
	size_t object_size;
	struct slab_chunk *chunks; /* those with room first */
	struct slab_chunk *spare;  /* at most one chunk is kept empty; it is in `chunks` too */
};

/* object_size: a multiple of eight, far below the 64 KiB of a chunk. */
void slab_init(struct slab *slab, size_t object_size);
/* Gives every chunk back, whatever is still in it. */
void slab_done(struct slab *slab);

/* Zeroed. NULL with errno ENOMEM. */
void *slab_take(struct slab *slab);
void slab_give(struct slab *slab, void *object);

#endif
