/* SPDX-License-Identifier: GPL-2.0-only */
/* read() of an iterator until it ends, cut into what its programs wrote. */
#include "source/iterator.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define BUFFER_SIZE (64 * 1024)

int iterator_run(struct bpf_link *link, iterator_take_fn take, void *context)
{
	_Alignas(8) char buffer[BUFFER_SIZE];
	int fd = bpf_iter_create(bpf_link__fd(link)), err = 0;
	size_t held = 0, left;
	ssize_t got;

	if (fd < 0)
		return -errno;
	for (;;) {
		got = read(fd, buffer + held, sizeof(buffer) - held);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			break;
		held += (size_t)got;
		left = take(context, buffer, held);
		memmove(buffer, buffer + held - left, left);
		held = left;
	}
	if (got < 0)
		err = -errno;
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
