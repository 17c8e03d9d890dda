/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads elements from a descriptor whose read() may return any number of them, and cut one. */
#ifndef PORTTRACE_SOURCE_CHUNK_READER_H
#define PORTTRACE_SOURCE_CHUNK_READER_H

#include <stddef.h>

#define CHUNK_BYTES (64 * 1024)

/* Gets what has been read and not been taken yet, aligned to 8. Takes the whole elements, and returns how
 * many bytes, of a cut one, are left at the end. */
typedef size_t (*chunk_take_fn)(void *context, const char *data, size_t size);

/*
 * Reads until the end. 0; -EMSGSIZE: CHUNK_BYTES hold no whole element; -EBADMSG: the last element is cut;
 * or -errno of read(). The elements before an error have been taken.
 */
int chunks_read(int fd, chunk_take_fn take, void *context);

#endif
