/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes with stdio. Reads into a buffer of its own, to know whether a pipe has more. An event has at most 64 KiB. */
#include "source/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENT_MAX    65536
#define BUFFER_BYTES (2 * EVENT_MAX)
/* The fields that every version has. */
#define FIXED_BYTES  offsetof(struct capture_header, boot_to_wall_ns)

struct capture_writer {
	FILE *file;
	bool is_seekable;
	bool has_header;
	int err;
};

struct capture_reader {
	int fd;
	struct capture_header header;
	size_t begin, end; /* of the bytes in `buffer` that were not taken yet */
	_Alignas(8) char buffer[BUFFER_BYTES];
};

/* ---- writing ---- */

static int write_bytes(struct capture_writer *writer, const void *data, size_t size)
{
	if (!writer->err && fwrite(data, 1, size, writer->file) != size)
		writer->err = errno ? -errno : -EIO;
	return writer->err;
}

static int open_to_write(const char *path)
{
	int fd;

	if (!strcmp(path, "-"))
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	/* Without O_NONBLOCK the open() of a FIFO would wait for a reader while events are lost. */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666);
	if (fd >= 0)
		fcntl(fd, F_SETFL, 0);
	return fd;
}

struct capture_writer *capture_create(const char *path)
{
	struct capture_writer *writer = calloc(1, sizeof(*writer));
	int fd = writer ? open_to_write(path) : -1;

	if (fd >= 0) {
		writer->is_seekable = lseek(fd, 0, SEEK_CUR) >= 0;
		writer->file = fdopen(fd, "w");
		if (writer->file) {
			setvbuf(writer->file, NULL, _IOFBF, BUFFER_BYTES);
			return writer;
		}
		close(fd);
	}
	free(writer);
	return NULL;
}

int capture_fd(const struct capture_writer *writer)
{
	return fileno(writer->file);
}

int capture_write(struct capture_writer *writer, const void *event, size_t size)
{
	return write_bytes(writer, event, size);
}

int capture_flush(struct capture_writer *writer)
{
	if (!writer->err && fflush(writer->file))
		writer->err = -errno;
	return writer->err;
}

static int seek(struct capture_writer *writer, int whence)
{
	if (!writer->err && fseek(writer->file, 0, whence))
		writer->err = -errno;
	return writer->err;
}

static int header_replace(struct capture_writer *writer, const struct capture_header *header)
{
	seek(writer, SEEK_SET);
	write_bytes(writer, header, sizeof(*header));
	return seek(writer, SEEK_END);
}

static int header_repeat(struct capture_writer *writer, const struct capture_header *header)
{
	const struct wire_hdr hdr = {.size = sizeof(hdr) + sizeof(*header), .kind = CAPTURE_HEADER_AGAIN};

	write_bytes(writer, &hdr, sizeof(hdr));
	return write_bytes(writer, header, sizeof(*header));
}

int capture_set_header(struct capture_writer *writer, const struct capture_header *header)
{
	struct capture_header whole = *header;

	memcpy(whole.magic, CAPTURE_MAGIC, sizeof(whole.magic));
	whole.header_size = sizeof(whole);
	whole.version = CAPTURE_VERSION;
	whole.byte_order = CAPTURE_BYTE_ORDER;
	if (!writer->has_header) {
		writer->has_header = true;
		return write_bytes(writer, &whole, sizeof(whole));
	}
	return writer->is_seekable ? header_replace(writer, &whole) : header_repeat(writer, &whole);
}

int capture_finish(struct capture_writer *writer)
{
	int err;

	if (!writer)
		return 0;
	err = writer->err;
	if (fclose(writer->file) && !err)
		err = -errno;
	free(writer);
	return err;
}

/* ---- reading ---- */

static size_t available(const struct capture_reader *reader)
{
	return reader->end - reader->begin;
}

/* Reads until this many bytes (at most EVENT_MAX) are in the buffer, aligned to 8. 0; -ENODATA: the file ends before;
 * -EINTR; or -EIO. */
static int fill(struct capture_reader *reader, size_t size)
{
	if (reader->begin % 8 || reader->begin + size > sizeof(reader->buffer)) {
		memmove(reader->buffer, reader->buffer + reader->begin, available(reader));
		reader->end = available(reader);
		reader->begin = 0;
	}
	while (available(reader) < size) {
		ssize_t got = read(reader->fd, reader->buffer + reader->end, sizeof(reader->buffer) - reader->end);

		if (got < 0)
			return errno == EINTR ? -EINTR : -EIO;
		if (!got)
			return -ENODATA;
		reader->end += (size_t)got;
	}
	return 0;
}

/* Takes the header at the begin of the buffer, where `size` bytes are. 0, -EINVAL or -EPROTO. */
static int header_take(struct capture_reader *reader, size_t size)
{
	struct capture_header header = {0};

	if (size < FIXED_BYTES)
		return -EINVAL;
	memcpy(&header, reader->buffer + reader->begin, size < sizeof(header) ? size : sizeof(header));
	if (memcmp(header.magic, CAPTURE_MAGIC, sizeof(header.magic)) != 0)
		return -EINVAL;
	if (header.byte_order != CAPTURE_BYTE_ORDER || header.version != CAPTURE_VERSION)
		return -EPROTO;
	if (header.header_size < FIXED_BYTES || header.header_size > EVENT_MAX)
		return -EINVAL;
	header.kernel[sizeof(header.kernel) - 1] = '\0';
	header.probes[sizeof(header.probes) - 1] = '\0';
	reader->header = header;
	return 0;
}

/* Twice, because the first bytes tell how long it is. */
static int header_read(struct capture_reader *reader)
{
	int err = fill(reader, FIXED_BYTES);

	if (!err)
		err = header_take(reader, FIXED_BYTES);
	if (!err)
		err = fill(reader, reader->header.header_size);
	if (!err)
		err = header_take(reader, reader->header.header_size);
	if (!err)
		reader->begin += reader->header.header_size;
	return err == -ENODATA ? -EINVAL : err;
}

struct capture_reader *capture_open(const char *path)
{
	struct capture_reader *reader = calloc(1, sizeof(*reader));
	int err;

	if (!reader)
		return NULL;
	reader->fd = strcmp(path, "-") != 0 ? open(path, O_RDONLY | O_CLOEXEC) :
					      fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
	err = reader->fd >= 0 ? header_read(reader) : -errno;
	if (!err)
		return reader;
	capture_close(reader);
	errno = -err;
	return NULL;
}

void capture_close(struct capture_reader *reader)
{
	if (!reader)
		return;
	if (reader->fd >= 0)
		close(reader->fd);
	free(reader);
}

const struct capture_header *capture_header_of(const struct capture_reader *reader)
{
	return &reader->header;
}

static int header_changed(struct capture_reader *reader, size_t size)
{
	int err;

	reader->begin += sizeof(struct wire_hdr);
	err = header_take(reader, size - sizeof(struct wire_hdr));
	reader->begin += size - sizeof(struct wire_hdr);
	return err ? -EIO : -EAGAIN;
}

int capture_next(struct capture_reader *reader, const void **event, size_t *size)
{
	const struct wire_hdr *hdr;
	int err = fill(reader, sizeof(*hdr));

	if (err)
		return err == -ENODATA && available(reader) ? -EIO : err;
	hdr = (const void *)(reader->buffer + reader->begin);
	if (hdr->size < sizeof(*hdr))
		return -EIO;
	*size = hdr->size;
	err = fill(reader, *size);
	if (err)
		return err == -ENODATA ? -EIO : err;
	hdr = (const void *)(reader->buffer + reader->begin);
	if (hdr->kind == CAPTURE_HEADER_AGAIN)
		return header_changed(reader, *size);
	*event = hdr;
	reader->begin += *size;
	return 0;
}

bool capture_would_wait(const struct capture_reader *reader)
{
	const struct wire_hdr *hdr = (const void *)(reader->buffer + reader->begin);
	struct pollfd more = {.fd = reader->fd, .events = POLLIN};

	if (reader->begin % 8 == 0 && available(reader) >= sizeof(*hdr) && available(reader) >= hdr->size)
		return false;
	return poll(&more, 1, 0) == 0;
}
