/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers as text with separators and units. */
#include "render/format_number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

uint64_t round_to_uint64(double value)
{
	if (!(value > 0))
		return 0;
	/* The doubles next to 2^64 are integers: adding 0.5 to them changes nothing. */
	return value + 0.5 < 0x1p64 ? (uint64_t)(value + 0.5) : UINT64_MAX;
}

unsigned int percent_of(uint64_t part, uint64_t whole)
{
	if (part >= whole)
		return 100;
	return (unsigned int)(part <= UINT64_MAX / 100 ? part * 100 / whole : part / (whole / 100));
}

size_t format_count(uint64_t count, char out[NUMBER_SIZE])
{
	char reversed[NUMBER_SIZE];
	size_t length = 0;

	for (size_t digits = 0; digits == 0 || count; digits++, count /= 10) {
		if (digits > 0 && digits % 3 == 0)
			reversed[length++] = ',';
		reversed[length++] = (char)('0' + count % 10);
	}
	for (size_t i = 0; i < length; i++)
		out[i] = reversed[length - 1 - i];
	out[length] = '\0';
	return length;
}

size_t format_duration(uint64_t ns, char out[NUMBER_SIZE])
{
	uint64_t seconds = ns / 1000000000;
	const char *format = "%" PRIu64 " ns";
	uint64_t value = ns, rest = 0;

	if (seconds >= 86400) {
		format = "%" PRIu64 " d %" PRIu64 " h";
		value = seconds / 86400;
		rest = seconds / 3600 % 24;
	} else if (seconds >= 3600) {
		format = "%" PRIu64 " h %" PRIu64 " min";
		value = seconds / 3600;
		rest = seconds / 60 % 60;
	} else if (seconds >= 60) {
		format = "%" PRIu64 " min %" PRIu64 " s";
		value = seconds / 60;
		rest = seconds % 60;
	} else if (seconds >= 10) {
		format = "%" PRIu64 " s";
		value = seconds;
	} else if (seconds >= 1) {
		format = "%" PRIu64 ".%" PRIu64 " s";
		value = seconds;
		rest = ns / 100000000 % 10;
	} else if (ns >= 1000000) {
		format = "%" PRIu64 " ms";
		value = ns / 1000000;
	} else if (ns >= 1000) {
		format = "%" PRIu64 " µs";
		value = ns / 1000;
	}
	return (size_t)snprintf(out, NUMBER_SIZE, format, value, rest);
}

size_t format_age(uint64_t ns, char out[NUMBER_SIZE])
{
	size_t length = format_duration(ns, out);
	char *second = strchr(out, ' ');

	second = second ? strchr(second + 1, ' ') : NULL;
	if (!second)
		return length;
	*second = '\0';
	return (size_t)(second - out);
}

size_t format_left(uint64_t ns, char out[NUMBER_SIZE])
{
	return (size_t)snprintf(out, NUMBER_SIZE, "%" PRIu64 " s", (ns + 999999999) / 1000000000);
}

size_t format_rate(uint64_t count, double seconds, char out[NUMBER_SIZE])
{
	double rate = seconds > 0 ? (double)count / seconds : (double)count;
	size_t length;

	if (rate > 0 && rate < 9.95)
		return (size_t)snprintf(out, NUMBER_SIZE, "%.1f/s", rate);
	length = format_count(round_to_uint64(rate), out);
	memcpy(out + length, "/s", 3);
	return length + 2;
}
