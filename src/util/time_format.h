/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Formats times. A cache keeps the text of the last second, because most events share it, so only the
 * fraction is formatted each time.
 */
#ifndef PORTTRACE_UTIL_TIME_FORMAT_H
#define PORTTRACE_UTIL_TIME_FORMAT_H

#include <stddef.h>
#include <stdint.h>

/* Size of every form below, NUL included. */
#define TIME_FORMAT_SIZE 40

/* Begins zeroed. Use one cache per format. */
struct time_cache {
	int64_t second;
	size_t length; /* 0: empty */
	char text[TIME_FORMAT_SIZE];
};

/* All write NUL-terminated text and return its length. wall_ns: CLOCK_REALTIME. */

/* "12:01:02.123", in the local time zone */
size_t time_format_wall(struct time_cache *cache, int64_t wall_ns, char out[TIME_FORMAT_SIZE]);
/* "2025-11-21T12:01:02.123456789Z" */
size_t time_format_iso(struct time_cache *cache, int64_t wall_ns, char out[TIME_FORMAT_SIZE]);
/* Seconds: "2.123"; negative times as "-0.500" */
size_t time_format_relative(int64_t ns, char out[TIME_FORMAT_SIZE]);

#endif
