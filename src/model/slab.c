/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/slab.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <utlist.h>

/* A chunk is aligned to its size, so that the address of an object gives its chunk. */
#define CHUNK_BYTES 65536UL

struct free_object {
	struct free_object *next;
};

struct slab_chunk {
	struct slab_chunk *prev, *next;
	struct free_object *free; /* objects that were released */
	size_t used;		  /* objects in use */
	size_t touched;		  /* objects from this number on were never used, and are still zero */
};

static struct slab_chunk *chunk_of(void *object)
{
	return (struct slab_chunk *)((uintptr_t)object & ~(CHUNK_BYTES - 1));
}

static size_t chunk_capacity(const struct slab *slab)
{
	return (CHUNK_BYTES - sizeof(struct slab_chunk)) / slab->object_size;
}

static struct slab_chunk *chunk_new(void)
{
	char *map = mmap(NULL, 2 * CHUNK_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (map == MAP_FAILED) {
		errno = ENOMEM;
		return NULL;
	}
	before = -(uintptr_t)map & (CHUNK_BYTES - 1);
	if (before)
		munmap(map, before);
	munmap(map + before + CHUNK_BYTES, CHUNK_BYTES - before);
	return (struct slab_chunk *)(map + before);
}

void slab_init(struct slab *slab, size_t object_size)
{
	*slab = (struct slab){.object_size = object_size};
}

void slab_done(struct slab *slab)
{
	struct slab_chunk *chunk, *next;

	DL_FOREACH_SAFE(slab->chunks, chunk, next)
		munmap(chunk, CHUNK_BYTES);
	slab->chunks = slab->spare = NULL;
}

void *slab_alloc(struct slab *slab)
{
	struct slab_chunk *chunk = slab->chunks;
	void *object;

	if (!chunk || chunk->used == chunk_capacity(slab)) {
		chunk = chunk_new();
		if (!chunk)
			return NULL;
		DL_PREPEND(slab->chunks, chunk);
	}
	if (chunk == slab->spare)
		slab->spare = NULL;
	if (chunk->free) {
		object = chunk->free;
		chunk->free = chunk->free->next;
		memset(object, 0, slab->object_size);
	} else {
		object = (char *)(chunk + 1) + chunk->touched++ * slab->object_size;
	}
	if (++chunk->used == chunk_capacity(slab)) {
		DL_DELETE(slab->chunks, chunk);
		DL_APPEND(slab->chunks, chunk);
	}
	return object;
}

void slab_free(struct slab *slab, void *object)
{
	struct slab_chunk *chunk = chunk_of(object);
	struct free_object *freed = object;

	if (chunk->used == chunk_capacity(slab)) {
		DL_DELETE(slab->chunks, chunk);
		DL_PREPEND(slab->chunks, chunk);
	}
	freed->next = chunk->free;
	chunk->free = freed;
	if (--chunk->used)
		return;
	if (!slab->spare) {
		slab->spare = chunk;
		return;
	}
	DL_DELETE(slab->chunks, chunk);
	munmap(chunk, CHUNK_BYTES);
}
