/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads small files of /proc as a whole. */
#ifndef PORTTRACE_SYSTEM_PROC_FILE_H
#define PORTTRACE_SYSTEM_PROC_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Reads a file up to size - 1 bytes and terminates it with NUL. `path` is relative to the directory `dir`,
 * or absolute (`dir` is then ignored, as in openat()). Returns the length in bytes, or -errno with an empty
 * text.
 */
ssize_t proc_file_read(int dir, const char *path, char *text, size_t size);

#endif
