/* SPDX-License-Identifier: GPL-2.0-only */
/* Standard output as every command meets it: closed, full, or read by nobody any more. */
#ifndef PORTTRACE_CMD_OUTPUT_H
#define PORTTRACE_CMD_OUTPUT_H

#include <stdbool.h>

/* false: standard output is closed, which is said at exit. */
bool output_is_open(void);
/* Arranges that whatever stdio still holds at exit is written, and that a failure is said and changes
 * the exit status to 1. SIGPIPE is ignored from then on, so that a write says EPIPE. */
void output_check_at_exit(void);
/* The exit status for a failed write (-errno), said on stderr; a closed pipe ends quietly. */
int output_failed(int err);

#endif
