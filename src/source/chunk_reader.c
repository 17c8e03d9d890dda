/* SPDX-License-Identifier: GPL-2.0-only */
/* An incomplete element is moved to the front of the buffer, and its rest is read behind it. */
#include "source/chunk_reader.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int chunks_read(int fd, chunk_take_fn take, void *context)
{
	_Alignas(8) char buffer[CHUNK_BYTES];
	size_t held = 0, left;
	ssize_t got;

	for (;;) {
		/* Without space read() would return 0, which is not the end of the file. */
		if (held == sizeof(buffer))
			return -EMSGSIZE;
		got = read(fd, buffer + held, sizeof(buffer) - held);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0)
			break;
		held += (size_t)got;
		left = take(context, buffer, held);
		memmove(buffer, buffer + held - left, left);
		held = left;
	}
	if (got < 0)
		return -errno;
	return held ? -EBADMSG : 0;
}
