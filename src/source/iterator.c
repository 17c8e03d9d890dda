/* SPDX-License-Identifier: GPL-2.0-only */
/* An iterator is a file: each read() runs the program on the next objects and returns what it wrote. */
#include "source/iterator.h"

#include <errno.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

int iterator_run(struct bpf_link *link, chunk_take_fn take, void *context)
{
	int fd = bpf_iter_create(bpf_link__fd(link)), err;

	if (fd < 0)
		return -errno;
	err = chunks_read(fd, take, context);
	close(fd);
	return err;
}

struct elements {
	size_t size;
	iterator_each_fn each;
	void *context;
};

static size_t elements_take(void *context, const char *data, size_t size)
{
	const struct elements *elements = context;
	size_t at = 0;

	for (; size - at >= elements->size; at += elements->size)
		elements->each(elements->context, data + at);
	return size - at;
}

int iterator_each(struct bpf_link *link, size_t size, iterator_each_fn each, void *context)
{
	struct elements elements = {.size = size, .each = each, .context = context};

	return iterator_run(link, elements_take, &elements);
}
