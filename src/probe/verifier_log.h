/* SPDX-License-Identifier: GPL-2.0-only */
/* The reason why the kernel refused a program, from the verifier's log. */
#ifndef PORTTRACE_PROBE_VERIFIER_LOG_H
#define PORTTRACE_PROBE_VERIFIER_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* Copies the last line that gives a reason, cut at size - 1 bytes. false: the log has none, or was cut before its
 * end, as kernels before 6.4 do when the buffer is full; reason is unchanged. */
bool verifier_log_reason(const char *log, char *reason, size_t size);

#endif
