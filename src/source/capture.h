/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes and reads capture files. No libbpf. */
#ifndef PORTTRACE_SOURCE_CAPTURE_H
#define PORTTRACE_SOURCE_CAPTURE_H

#include <stddef.h>

#include "porttrace/capture.h"
#include "porttrace/wire.h"

struct capture_writer;

/* Creates the file, or overwrites it. NULL with errno. */
struct capture_writer *capture_create(const char *path);
/* 0 or -errno; after the first error every call returns it. */
int capture_write(struct capture_writer *writer, const void *event, size_t size);
int capture_flush(struct capture_writer *writer);
/* Overwrites the header; its magic, sizes and version are filled in here. 0 or -errno. */
int capture_set_header(struct capture_writer *writer, const struct capture_header *header);
/* Closes the file and frees the writer, which may be NULL. 0, or -errno of the first error since
 * capture_create(). */
int capture_finish(struct capture_writer *writer);

struct capture_reader;

/* NULL with errno: EINVAL not a capture; EPROTO another byte order or version; or errno of fopen(). */
struct capture_reader *capture_open(const char *path);
void capture_close(struct capture_reader *reader);
const struct capture_header *capture_header_of(const struct capture_reader *reader);
/* The next event, aligned to 8, valid until the next call. 0; -ENODATA: the end; -EIO: the file is
 * truncated, or cannot be read. */
int capture_next(struct capture_reader *reader, const void **event, size_t *size);

#endif
