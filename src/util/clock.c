/* SPDX-License-Identifier: GPL-2.0-only */
#include "util/clock.h"

#include <time.h>

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

uint64_t clock_thread_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* A coarse clock advances once a jiffy, and its resolution is TICK_NSEC (posix_get_coarse_res() in
 * kernel/time/posix-timers.c). */
uint32_t clock_jiffy_us(void)
{
	struct timespec tick;

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return (uint32_t)(tick.tv_nsec / 1000);
}
