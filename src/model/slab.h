/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocates objects of one size from chunks, which are returned to the system when empty. malloc() would keep
 * the peak memory: one long-lived object at the top of the heap keeps everything below it.
 */
#ifndef PORTTRACE_MODEL_SLAB_H
#define PORTTRACE_MODEL_SLAB_H

#include <stddef.h>

struct slab_chunk;

struct slab {
	size_t object_size;
	struct slab_chunk *chunks; /* those with free objects first */
	struct slab_chunk *spare;  /* an empty chunk that is kept; also in `chunks` */
};

/* object_size: a multiple of eight, far below the 64 KiB of a chunk. */
void slab_init(struct slab *slab, size_t object_size);
/* Releases all chunks, with the objects in them. */
void slab_done(struct slab *slab);

/* A zeroed object. NULL with errno ENOMEM. */
void *slab_alloc(struct slab *slab);
void slab_free(struct slab *slab, void *object);

#endif
