/* SPDX-License-Identifier: GPL-2.0-only */
/* The clock of every event: CLOCK_BOOTTIME, in nanoseconds. Only cmd/ and source/ ask it. */
#ifndef PORTTRACE_UTIL_CLOCK_H
#define PORTTRACE_UTIL_CLOCK_H

#include <stdint.h>

uint64_t clock_boot_ns(void);

#endif
