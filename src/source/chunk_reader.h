/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads elements from a descriptor whose read() returns any number of them, and may split one. */
#ifndef PORTTRACE_SOURCE_CHUNK_READER_H
#define PORTTRACE_SOURCE_CHUNK_READER_H

#include <stddef.h>

#define CHUNK_BYTES (64 * 1024)

/* Gets the bytes that were read and not taken yet, aligned to 8. Takes the complete elements, and returns how
 * many bytes of an incomplete one are left at the end. */
typedef size_t (*chunk_take_fn)(void *context, const char *data, size_t size);

/*
 * Reads until the end. 0; -EMSGSIZE: an element is larger than CHUNK_BYTES; -EBADMSG: the last element is
 * incomplete; or -errno of read(). Elements before an error were taken.
 */
int chunks_read(int fd, chunk_take_fn take, void *context);

#endif
