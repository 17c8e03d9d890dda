/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Points in time as text. Most of a second's text is the same for every event of that second, so a
 * cache keeps it and only the fraction is written anew.
 */
#ifndef PORTTRACE_UTIL_TIME_FORMAT_H
#define PORTTRACE_UTIL_TIME_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* Room for every form below, NUL included. */
#define TIME_FORMAT_SIZE 40

/* The text of the last second; starts zeroed, and serves one form only. */
struct time_cache {
	int64_t second;
	size_t length; /* 0: nothing kept yet */
	char text[TIME_FORMAT_SIZE];
};

/* All write a NUL-terminated text and return its length. wall_ns: CLOCK_REALTIME. */

/* "12:01:02.123", in the local time zone */
size_t time_format_wall(struct time_cache *cache, int64_t wall_ns, char out[TIME_FORMAT_SIZE]);
/* "2025-11-21T12:01:02.123456789Z" */
size_t time_format_iso(struct time_cache *cache, int64_t wall_ns, char out[TIME_FORMAT_SIZE]);
/* "2.123": seconds; "-0.500" for what was before */
size_t time_format_relative(int64_t ns, char out[TIME_FORMAT_SIZE]);

#endif
