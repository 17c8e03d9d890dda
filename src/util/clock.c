/* SPDX-License-Identifier: GPL-2.0-only */
#include "util/clock.h"

#include <time.h>

uint64_t clock_boot_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
