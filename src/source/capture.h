/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes and reads capture files. No libbpf. */
#ifndef PORTTRACE_SOURCE_CAPTURE_H
#define PORTTRACE_SOURCE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "porttrace/capture.h"
#include "porttrace/wire.h"

struct capture_writer;

/* Creates the file, or overwrites it; "-" is standard output. Opening a FIFO does not wait for its reader. NULL with
 * errno; ENXIO: no process has this FIFO open for reading. */
struct capture_writer *capture_create(const char *path);
/* Belongs to the writer. */
int capture_fd(const struct capture_writer *writer);
/* 0 or -errno; after the first error every call returns it. */
int capture_write(struct capture_writer *writer, const void *event, size_t size);
int capture_flush(struct capture_writer *writer);
/* Call this before the first capture_write(), and again when the header changes: a pipe gets it once more. The magic,
 * sizes and version are filled in here. 0 or -errno. */
int capture_set_header(struct capture_writer *writer, const struct capture_header *header);
/* Closes the file and frees the writer, which may be NULL. 0, or -errno of the first error since
 * capture_create(). */
int capture_finish(struct capture_writer *writer);

struct capture_reader;

/* "-" is standard input. NULL with errno: EINVAL not a capture; EPROTO another byte order or version; or errno of open()
 * or read(). */
struct capture_reader *capture_open(const char *path);
void capture_close(struct capture_reader *reader);
const struct capture_header *capture_header_of(const struct capture_reader *reader);
/* The next event, aligned to 8, valid until the next call. 0; -EAGAIN: instead of an event the header changed; -ENODATA:
 * the end; -EINTR: a signal; -EIO: the file is truncated, or cannot be read. */
int capture_next(struct capture_reader *reader, const void **event, size_t *size);
/* Whether capture_next() would wait for the process that writes into the pipe. */
bool capture_would_wait(const struct capture_reader *reader);

#endif
