/* SPDX-License-Identifier: GPL-2.0-only */
#include "util/exec_name.h"

#include <string.h>

#define COMM_MAX	15
#define SCRIPT_ARGS_MAX 3 /* "interpreter [argument] script" */

/* The last component of the path, cut to 15 bytes. */
static bool is_name_of(const char *comm, const char *path, size_t length)
{
	const char *slash = memrchr(path, '/', length);
	size_t start = slash ? (size_t)(slash + 1 - path) : 0, name = strnlen(comm, COMM_MAX);

	length -= start;
	return (length < COMM_MAX ? length : COMM_MAX) == name && !memcmp(path + start, comm, name);
}

bool exec_set_name(const char *comm, const char *exe, const char *args, size_t length, char separator)
{
	const char *end = args + length;

	if (!length || is_name_of(comm, exe, strlen(exe)))
		return true;
	for (int i = 0; i < SCRIPT_ARGS_MAX && args < end; i++) {
		const char *next = memchr(args, separator, (size_t)(end - args));
		size_t size = (size_t)((next ? next : end) - args);

		if (size && is_name_of(comm, args, size))
			return true;
		args += size + 1;
	}
	return false;
}
