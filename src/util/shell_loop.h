/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether a shell script runs a program again when it ends. */
#ifndef PORTTRACE_UTIL_SHELL_LOOP_H
#define PORTTRACE_UTIL_SHELL_LOOP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether a `while` or `until` loop of the script has one of the names as a word, or as the last part of one, in its body,
 * and not in a command that ends with "&". An approximation: it knows neither functions nor variables.
 */
bool shell_loop_runs(const char *script, const char *const *names, size_t count);

#endif
