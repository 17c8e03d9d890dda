/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers as text with separators and units. format_*() write a NUL-terminated text and return its length. */
#ifndef PORTTRACE_RENDER_FORMAT_NUMBER_H
#define PORTTRACE_RENDER_FORMAT_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#define NUMBER_SIZE 32

/* The nearest integer; 0 for a negative number and NaN, UINT64_MAX for a larger number. */
uint64_t round_to_uint64(double value);

/* Rounded down, at most 100; 100 when `whole` is 0. */
unsigned int percent_of(uint64_t part, uint64_t whole);

/* "28,232" */
size_t format_count(uint64_t count, char out[NUMBER_SIZE]);
/* "850 ns", "37 ms", "2.9 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"; rounded down */
size_t format_duration(uint64_t ns, char out[NUMBER_SIZE]);
/* The same in one unit: "2.9 s", "3 min", "2 h", "3 d" */
size_t format_age(uint64_t ns, char out[NUMBER_SIZE]);
/* Of a TIME_WAIT, in seconds as where a remedy says to wait: "61 s"; rounded up */
size_t format_left(uint64_t ns, char out[NUMBER_SIZE]);
/* "1,204/s"; below 10 with one decimal: "0.5/s". Without an interval, count is the rate. */
size_t format_rate(uint64_t count, double seconds, char out[NUMBER_SIZE]);

#endif
