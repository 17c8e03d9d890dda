/* SPDX-License-Identifier: GPL-2.0-only */
/* An errno as its name: what a user searches for. */
#ifndef PORTTRACE_UTIL_ERRNO_NAME_H
#define PORTTRACE_UTIL_ERRNO_NAME_H

#include <stdint.h>

#define ERRNO_NAME_SIZE 24

/* "EADDRINUSE"; "errno 999" for a number without a name, written to `buffer`. */
const char *errno_name(uint32_t error, char buffer[ERRNO_NAME_SIZE]);

#endif
