/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs BPF iterators to their end. */
#ifndef PORTTRACE_SOURCE_ITERATOR_H
#define PORTTRACE_SOURCE_ITERATOR_H

#include <stddef.h>

#include "source/chunk_reader.h"

struct bpf_link;

/* Gets a whole element, which may be unaligned. */
typedef void (*iterator_each_fn)(void *context, const char *element);

/* Hands over what the programs write. 0, or -errno as chunks_read(). */
int iterator_run(struct bpf_link *link, chunk_take_fn take, void *context);
/* For elements of `size` bytes each. 0 or -errno. */
int iterator_each(struct bpf_link *link, size_t size, iterator_each_fn each, void *context);

#endif
