/* SPDX-License-Identifier: GPL-2.0-only */
#include "util/time_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_SECOND 1000000000LL
#define NS_PER_MS     1000000LL

/* Rounds down, so that the fraction is never negative, not even before 1970. */
static int64_t split_second(int64_t ns, uint32_t *fraction_ns)
{
	int64_t second = ns / NS_PER_SECOND;
	int64_t rest = ns % NS_PER_SECOND;

	if (rest < 0) {
		second--;
		rest += NS_PER_SECOND;
	}
	*fraction_ns = (uint32_t)rest;
	return second;
}

static void write_digits(char *out, uint32_t value, size_t digits)
{
	while (digits-- > 0) {
		out[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

typedef struct tm *(*broken_down_fn)(const time_t *second, struct tm *result);

static void refresh(struct time_cache *cache, int64_t second, broken_down_fn broken_down,
		    const char *format)
{
	time_t when = (time_t)second;
	struct tm tm;

	if (cache->length > 0 && cache->second == second)
		return;
	cache->second = second;
	cache->length = broken_down(&when, &tm) ?
				strftime(cache->text, sizeof(cache->text) - 12, format, &tm) : 0;
}

size_t time_format_wall(struct time_cache *cache, int64_t wall_ns, char out[TIME_FORMAT_SIZE])
{
	uint32_t fraction_ns;
	char *at = out;

	refresh(cache, split_second(wall_ns, &fraction_ns), localtime_r, "%H:%M:%S.");
	at = (char *)memcpy(at, cache->text, cache->length) + cache->length;
	write_digits(at, fraction_ns / NS_PER_MS, 3);
	at[3] = '\0';
	return cache->length + 3;
}

size_t time_format_iso(struct time_cache *cache, int64_t wall_ns, char out[TIME_FORMAT_SIZE])
{
	uint32_t fraction_ns;
	char *at = out;

	refresh(cache, split_second(wall_ns, &fraction_ns), gmtime_r, "%Y-%m-%dT%H:%M:%S.");
	at = (char *)memcpy(at, cache->text, cache->length) + cache->length;
	write_digits(at, fraction_ns, 9);
	memcpy(at + 9, "Z", 2);
	return cache->length + 10;
}

size_t time_format_relative(int64_t ns, char out[TIME_FORMAT_SIZE])
{
	uint64_t ms = (ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns) / NS_PER_MS;

	return (size_t)snprintf(out, TIME_FORMAT_SIZE, "%s%" PRIu64 ".%03u",
				ns < 0 && ms > 0 ? "-" : "", ms / 1000, (unsigned int)(ms % 1000));
}
