/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs BPF iterators to their end. */
#ifndef PORTTRACE_SOURCE_ITERATOR_H
#define PORTTRACE_SOURCE_ITERATOR_H

#include <stddef.h>

struct bpf_link;

/* Gets what was written, as it comes; returns how many bytes, a cut element, are left at the end. */
typedef size_t (*iterator_take_fn)(void *context, const char *data, size_t size);
/* Gets a whole element, which may be unaligned. */
typedef void (*iterator_each_fn)(void *context, const char *element);

/* 0 or -errno. */
int iterator_run(struct bpf_link *link, iterator_take_fn take, void *context);
/* Elements of one size. 0 or -errno. */
int iterator_each(struct bpf_link *link, size_t size, iterator_each_fn each, void *context);

#endif
