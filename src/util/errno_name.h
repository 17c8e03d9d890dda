/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of errnos. */
#ifndef PORTTRACE_UTIL_ERRNO_NAME_H
#define PORTTRACE_UTIL_ERRNO_NAME_H

#include <stdint.h>

#define ERRNO_NAME_SIZE 24

/* "EADDRINUSE"; for a number without a name "errno 999", in `buffer`. */
const char *errno_name(uint32_t error, char buffer[ERRNO_NAME_SIZE]);

#endif
