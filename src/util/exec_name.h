/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether the name of a process comes from execve() or from the process itself (PR_SET_NAME). */
#ifndef PORTTRACE_UTIL_EXEC_NAME_H
#define PORTTRACE_UTIL_EXEC_NAME_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether execve() of this program set this name: it is that of the executable, or of the script in the first arguments.
 * Without arguments true, because execve() sets them last. comm: at most 15 bytes, then NUL. args: `length` bytes,
 * separated by `separator`.
 */
bool exec_set_name(const char *comm, const char *exe, const char *args, size_t length, char separator);

#endif
