/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BPF iterators, run to their end. Maps are read by them too: bpf(BPF_MAP_LOOKUP_BATCH) and the like hold off
 * every kprobe's program on their processor (bpf_disable_instrumentation()), for as long as they walk a
 * hash's empty buckets, and where the kernel preempts itself until they run again.
 */
#ifndef PORTTRACE_SOURCE_ITERATOR_H
#define PORTTRACE_SOURCE_ITERATOR_H

#include <stddef.h>

struct bpf_link;
struct bpf_map;
struct bpf_program;

/* Gets what was written, as it comes; returns how many bytes, a cut element, are left at the end. */
typedef size_t (*iterator_take_fn)(void *context, const char *data, size_t size);
/* Gets a whole element, which may be unaligned. */
typedef void (*iterator_each_fn)(void *context, const char *element);

/* 0 or -errno. */
int iterator_run(struct bpf_link *link, iterator_take_fn take, void *context);
/* Elements of one size. 0 or -errno. */
int iterator_each(struct bpf_link *link, size_t size, iterator_each_fn each, void *context);
/* For the elements of a map ("iter/bpf_map_elem"). The caller's, for bpf_link__destroy(). NULL with errno. */
struct bpf_link *iterator_of_map(struct bpf_program *program, const struct bpf_map *map);

#endif
