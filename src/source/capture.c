/* SPDX-License-Identifier: GPL-2.0-only */
/* Uses stdio. The header is rewritten when its fields are known; an event has at most 64 KiB. */
#include "source/capture.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES 65536

struct capture_writer {
	FILE *file;
	int err;
};

struct capture_reader {
	FILE *file;
	struct capture_header header;
	_Alignas(8) char event[65536];
};

static struct capture_header header_empty(void)
{
	return (struct capture_header){
		.magic = CAPTURE_MAGIC,
		.header_size = sizeof(struct capture_header),
		.version = CAPTURE_VERSION,
		.byte_order = CAPTURE_BYTE_ORDER,
	};
}

static int write_bytes(struct capture_writer *writer, const void *data, size_t size)
{
	if (!writer->err && fwrite(data, 1, size, writer->file) != size)
		writer->err = errno ? -errno : -EIO;
	return writer->err;
}

struct capture_writer *capture_create(const char *path)
{
	struct capture_writer *writer = calloc(1, sizeof(*writer));
	struct capture_header header = header_empty();

	if (!writer)
		return NULL;
	writer->file = fopen(path, "we");
	if (!writer->file) {
		free(writer);
		return NULL;
	}
	setvbuf(writer->file, NULL, _IOFBF, BUFFER_BYTES);
	write_bytes(writer, &header, sizeof(header));
	return writer;
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

int capture_set_header(struct capture_writer *writer, const struct capture_header *header)
{
	const size_t fixed = offsetof(struct capture_header, boot_to_wall_ns);
	struct capture_header whole = *header, empty = header_empty();

	memcpy(&whole, &empty, fixed);
	if (!writer->err && fseek(writer->file, 0, SEEK_SET))
		writer->err = -errno;
	write_bytes(writer, &whole, sizeof(whole));
	if (!writer->err && fseek(writer->file, 0, SEEK_END))
		writer->err = -errno;
	return writer->err;
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

static int header_read(struct capture_reader *reader)
{
	struct capture_header *header = &reader->header;
	const size_t fixed = offsetof(struct capture_header, boot_to_wall_ns);
	size_t rest;

	if (fread(header, 1, fixed, reader->file) != fixed ||
	    memcmp(header->magic, CAPTURE_MAGIC, sizeof(header->magic)) != 0)
		return -EINVAL;
	if (header->byte_order != CAPTURE_BYTE_ORDER || header->version != CAPTURE_VERSION)
		return -EPROTO;
	if (header->header_size < fixed || header->header_size > 65536)
		return -EINVAL;
	rest = header->header_size < sizeof(*header) ? header->header_size : sizeof(*header);
	rest -= fixed;
	if (fread((char *)header + fixed, 1, rest, reader->file) != rest ||
	    fseek(reader->file, (long)header->header_size, SEEK_SET))
		return -EINVAL;
	header->kernel[sizeof(header->kernel) - 1] = '\0';
	header->probes[sizeof(header->probes) - 1] = '\0';
	return 0;
}

struct capture_reader *capture_open(const char *path)
{
	struct capture_reader *reader = calloc(1, sizeof(*reader));
	int err;

	if (!reader)
		return NULL;
	reader->file = fopen(path, "re");
	err = reader->file ? header_read(reader) : -errno;
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
	if (reader->file)
		fclose(reader->file);
	free(reader);
}

const struct capture_header *capture_header_of(const struct capture_reader *reader)
{
	return &reader->header;
}

int capture_next(struct capture_reader *reader, const void **event, size_t *size)
{
	struct wire_hdr *hdr = (struct wire_hdr *)reader->event;
	size_t got = fread(hdr, 1, sizeof(*hdr), reader->file);

	if (!got)
		return ferror(reader->file) ? -EIO : -ENODATA;
	if (got != sizeof(*hdr) || hdr->size < sizeof(*hdr))
		return -EIO;
	if (fread(hdr + 1, 1, hdr->size - sizeof(*hdr), reader->file) != hdr->size - sizeof(*hdr))
		return -EIO;
	*event = hdr;
	*size = hdr->size;
	return 0;
}
