/* SPDX-License-Identifier: GPL-2.0-only */
/* Errors of standard output, handled alike by every command. */
#ifndef PORTTRACE_CMD_OUTPUT_H
#define PORTTRACE_CMD_OUTPUT_H

#include <stdbool.h>

/* false: standard output is closed. The message comes from output_check_at_exit(). */
bool output_is_open(void);
/*
 * At exit, writes what stdio still buffers; an error is reported on stderr and makes the exit status 1. Also
 * ignores SIGPIPE and SIGXFSZ, so that a write returns EPIPE or EFBIG instead of ending the process.
 */
void output_check_at_exit(void);
/* Reports a failed write on stderr and returns the exit status. err: -errno; -EPIPE is not a failure. */
int output_failed(int err);

#endif
