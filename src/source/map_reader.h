/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads all elements of a BPF hash map, by an iterator program ("iter/bpf_map_elem") or, where the kernel
 * refuses that, by bpf(BPF_MAP_LOOKUP_BATCH).
 *
 * The iterator is preferred because the batch calls keep every kprobe program off their CPU while they run
 * (bpf_disable_instrumentation() in kernel/bpf/syscall.c), and events are then lost.
 */
#ifndef PORTTRACE_SOURCE_MAP_READER_H
#define PORTTRACE_SOURCE_MAP_READER_H

#include <stddef.h>

struct bpf_map;
struct bpf_program;
struct map_reader;

/* Gets the key of an element, followed by its value. Both may be unaligned. */
typedef void (*map_reader_fn)(void *context, const char *element);

/* `read` writes key and value of each element, `clear` deletes each. NULL: not loaded (or, for `clear`, not
 * needed); batches are used instead. The map and the programs are borrowed. NULL with errno. */
struct map_reader *map_reader_new(struct bpf_program *read, struct bpf_program *clear, const struct bpf_map *map);
void map_reader_free(struct map_reader *reader);

/* Calls `each` for every element; those added meanwhile may be missing. 0 or -errno. */
int map_reader_each(struct map_reader *reader, map_reader_fn each, void *context);
/* Deletes every element. 0 or -errno. */
int map_reader_clear(struct map_reader *reader);

#endif
