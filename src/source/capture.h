/* SPDX-License-Identifier: GPL-2.0-only */
/* The capture file, written and read. No libbpf. */
#ifndef PORTTRACE_SOURCE_CAPTURE_H
#define PORTTRACE_SOURCE_CAPTURE_H

#include <stddef.h>

#include "porttrace/capture.h"
#include "porttrace/wire.h"

struct capture_writer;

/* Creates or replaces the file. NULL with errno. */
struct capture_writer *capture_create(const char *path);
/* 0 or -errno; after the first error every call returns it. */
int capture_write(struct capture_writer *writer, const void *event, size_t size);
int capture_flush(struct capture_writer *writer);
/* Writes what is known by now over the first header; magic, sizes and version are filled in. 0 or -errno. */
int capture_set_header(struct capture_writer *writer, const struct capture_header *header);
/* Closes the file. Takes the writer, which may be NULL. 0, or -errno of the first error of all. */
int capture_finish(struct capture_writer *writer);

struct capture_reader;

/* NULL with errno: EINVAL no capture, EPROTO of another byte order or version, else of the open. */
struct capture_reader *capture_open(const char *path);
void capture_close(struct capture_reader *reader);
const struct capture_header *capture_header_of(const struct capture_reader *reader);
/* The next event, aligned to 8, valid until the next call. 0; -ENODATA at the end; -EIO: cut short. */
int capture_next(struct capture_reader *reader, const void **event, size_t *size);

#endif
