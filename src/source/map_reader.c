/* SPDX-License-Identifier: GPL-2.0-only */
/* Both ways to read the map call `each` once per element. */
#include "source/map_reader.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "source/iterator.h"

#define BATCH_MIN 256U

struct map_reader {
	struct bpf_link *read, *clear; /* NULL: use batches */
	int map;
	uint32_t max_entries;
	size_t key_size, value_size;
	/* Buffers of a batch; NULL until one is needed. */
	uint32_t capacity;
	char *keys, *values;
	char *element;
};

static struct bpf_link *iterator_attach(struct bpf_program *program, const struct bpf_map *map)
{
	union bpf_iter_link_info info = {.map.map_fd = (__u32)bpf_map__fd(map)};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));

	return bpf_program__attach_iter(program, &options);
}

static int batch_grow(struct map_reader *reader, uint32_t capacity)
{
	free(reader->keys);
	free(reader->values);
	reader->keys = malloc(capacity * reader->key_size);
	reader->values = malloc(capacity * reader->value_size);
	reader->capacity = reader->keys && reader->values ? capacity : 0;
	return reader->capacity ? 0 : -ENOMEM;
}

struct map_reader *map_reader_new(struct bpf_program *read, struct bpf_program *clear, const struct bpf_map *map)
{
	struct map_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->map = bpf_map__fd(map);
	reader->max_entries = bpf_map__max_entries(map);
	reader->key_size = bpf_map__key_size(map);
	reader->value_size = bpf_map__value_size(map);
	reader->element = malloc(reader->key_size + reader->value_size);
	if (!reader->element)
		goto fail;
	if (read && !(reader->read = iterator_attach(read, map)))
		goto fail;
	if (clear && !(reader->clear = iterator_attach(clear, map)))
		goto fail;
	return reader;
fail:
	map_reader_free(reader);
	return NULL;
}

void map_reader_free(struct map_reader *reader)
{
	int err = errno;

	if (!reader)
		return;
	bpf_link__destroy(reader->read);
	bpf_link__destroy(reader->clear);
	free(reader->keys);
	free(reader->values);
	free(reader->element);
	free(reader);
	errno = err;
}

static void batch_deliver(struct map_reader *reader, uint32_t count, map_reader_fn each, void *context)
{
	for (uint32_t i = 0; i < count; i++) {
		memcpy(reader->element, reader->keys + i * reader->key_size, reader->key_size);
		memcpy(reader->element + reader->key_size, reader->values + i * reader->value_size,
		       reader->value_size);
		each(context, reader->element);
	}
}

/* each NULL: deletes the elements. */
static int batches_run(struct map_reader *reader, map_reader_fn each, void *context)
{
	uint32_t capacity = reader->max_entries < BATCH_MIN ? reader->max_entries : BATCH_MIN;
	uint64_t position = 0; /* opaque; for a hash, the kernel uses 32 bits of it as a bucket number */
	bool begun = false;
	int err = reader->capacity ? 0 : batch_grow(reader, capacity);

	while (!err) {
		uint32_t count = reader->capacity;
		void *from = begun ? &position : NULL;

		err = each ? bpf_map_lookup_batch(reader->map, from, &position, reader->keys, reader->values,
						  &count, NULL) :
			     bpf_map_lookup_and_delete_batch(reader->map, from, &position, reader->keys,
							     reader->values, &count, NULL);
		/* A bucket of the hash has more elements than fit: read it again with more room. */
		if (err == -ENOSPC && reader->capacity < reader->max_entries) {
			err = batch_grow(reader, 2 * reader->capacity);
			continue;
		}
		if (err && err != -ENOENT)
			return err;
		if (each)
			batch_deliver(reader, count, each, context);
		begun = true;
	}
	return err == -ENOENT ? 0 : err;
}

int map_reader_each(struct map_reader *reader, map_reader_fn each, void *context)
{
	return reader->read ? iterator_each(reader->read, reader->key_size + reader->value_size, each, context) :
			      batches_run(reader, each, context);
}

static size_t output_ignore(void *context, const char *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
	return 0;
}

int map_reader_clear(struct map_reader *reader)
{
	return reader->clear ? iterator_run(reader->clear, output_ignore, NULL) : batches_run(reader, NULL, NULL);
}
