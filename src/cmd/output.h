/* SPDX-License-Identifier: GPL-2.0-only */
/* Standard output: its width, and its errors, handled alike by every command. */
#ifndef PORTTRACE_CMD_OUTPUT_H
#define PORTTRACE_CMD_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* false: standard output is closed. The message comes from output_check_at_exit(). */
bool output_is_open(void);
/* Columns of the terminal that standard output is; 0: it is none, and lines have no limit. */
size_t output_columns(void);
/*
 * At exit, writes what stdio still buffers; an error is reported on stderr and makes the exit status 1. Also
 * ignores SIGPIPE and SIGXFSZ, so that a write returns EPIPE or EFBIG instead of ending the process.
 */
void output_check_at_exit(void);
/* Reports a failed write on stderr and returns the exit status. err: -errno; -EPIPE is not a failure. */
int output_failed(int err);

#endif
