/* SPDX-License-Identifier: GPL-2.0-only */
/* Formatting of times. */
#include "util/time_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define NOON_NS 1763726462123456789LL /* 2025-11-21T12:01:02.123456789Z */

static void expect_iso(struct time_cache *cache, int64_t wall_ns, const char *expected)
{
	char out[TIME_FORMAT_SIZE];

	assert_int_equal(time_format_iso(cache, wall_ns, out), strlen(expected));
	assert_string_equal(out, expected);
}

static void iso_is_utc_with_nanoseconds(void **state)
{
	struct time_cache cache = {};

	(void)state;
	expect_iso(&cache, NOON_NS, "2025-11-21T12:01:02.123456789Z");
	expect_iso(&cache, NOON_NS + 1, "2025-11-21T12:01:02.123456790Z");
	expect_iso(&cache, NOON_NS + 1000000000, "2025-11-21T12:01:03.123456789Z");
	expect_iso(&cache, NOON_NS, "2025-11-21T12:01:02.123456789Z");
	expect_iso(&cache, 0, "1970-01-01T00:00:00.000000000Z");
	expect_iso(&cache, -1, "1969-12-31T23:59:59.999999999Z");
}

static void wall_is_local(void **state)
{
	struct time_cache cache = {};
	char out[TIME_FORMAT_SIZE];

	(void)state;
	setenv("TZ", "XXX-2", 1);
	tzset();
	assert_int_equal(time_format_wall(&cache, NOON_NS, out), 12);
	assert_string_equal(out, "14:01:02.123");
	time_format_wall(&cache, NOON_NS + 876543210, out);
	assert_string_equal(out, "14:01:02.999");
	time_format_wall(&cache, NOON_NS + 876543211, out);
	assert_string_equal(out, "14:01:03.000");
}

static void relative_is_seconds(void **state)
{
	char out[TIME_FORMAT_SIZE];

	(void)state;
	assert_int_equal(time_format_relative(2123999999, out), 5);
	assert_string_equal(out, "2.123");
	time_format_relative(0, out);
	assert_string_equal(out, "0.000");
	time_format_relative(-500000000, out);
	assert_string_equal(out, "-0.500");
	time_format_relative(-1, out);
	assert_string_equal(out, "0.000");
	time_format_relative(INT64_MIN, out);
	assert_string_equal(out, "-9223372036.854");
}

/* Times forward and backward: the cached text must be that of the requested second. */
static void cache_is_refreshed_each_second(void **state)
{
	struct time_cache kept = {};

	(void)state;
	srandom(1);
	for (int i = 0; i < 10000; i++) {
		int64_t wall_ns = NOON_NS + (random() % 5 - 2) * 1000000000LL + random() % 1000;
		char with[TIME_FORMAT_SIZE], without[TIME_FORMAT_SIZE];
		struct time_cache fresh = {};

		time_format_iso(&kept, wall_ns, with);
		time_format_iso(&fresh, wall_ns, without);
		assert_string_equal(with, without);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(iso_is_utc_with_nanoseconds),
		cmocka_unit_test(wall_is_local),
		cmocka_unit_test(relative_is_seconds),
		cmocka_unit_test(cache_is_refreshed_each_second),
	};

	return cmocka_run_group_tests_name("time_format", tests, NULL, NULL);
}
