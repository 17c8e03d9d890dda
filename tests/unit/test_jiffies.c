/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/jiffies.h: the length of a jiffy at every uptime, also around 300 s, when jiffies pass 2^32. */
#include <linux/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../bpf/jiffies.h"

static const struct {
	__u32 hz, us;
} kernels[] = {{1000, 1000}, {300, 3333}, {250, 4000}, {100, 10000}};

#define KERNELS (sizeof(kernels) / sizeof(kernels[0]))

/* jiffies64 of a kernel with this HZ at this uptime. */
static __u64 jiffies_at(__u32 hz, __u64 uptime_us)
{
	return JIFFIES_ORIGIN - 300ULL * hz + uptime_us * hz / 1000000;
}

static __u32 measure(__u32 hz, __u64 uptime_us)
{
	return jiffy_length_us(uptime_us * 1000, jiffies_at(hz, uptime_us));
}

static void exact_long_before_and_after_300_seconds(void **state)
{
	static const __u64 uptimes_us[] = {1, 1000000, 60000000, 290000000, 310000000, 3600000000, 31536000000000};

	(void)state;
	for (size_t i = 0; i < KERNELS; i++)
		for (size_t j = 0; j < sizeof(uptimes_us) / sizeof(uptimes_us[0]); j++)
			assert_int_equal(measure(kernels[i].hz, uptimes_us[j]), kernels[i].us);
}

/* The result from a few jiffies would be wrong by a factor, so it must be 0 (unknown). */
static void exact_or_unknown_around_300_seconds(void **state)
{
	(void)state;
	for (size_t i = 0; i < KERNELS; i++) {
		for (__u64 uptime_us = 297000000; uptime_us < 303000000; uptime_us += 499) {
			__u32 us = measure(kernels[i].hz, uptime_us);

			if (us)
				assert_int_equal(us, kernels[i].us);
		}
		assert_int_equal(measure(kernels[i].hz, 300000000), 0);
	}
}

/* The clock is read a moment before or after the jiffies: at 300 s their signs may differ. */
static void unknown_when_the_signs_differ(void **state)
{
	(void)state;
	assert_int_equal(jiffy_length_us(300001000000ULL, JIFFIES_ORIGIN - 1), 0);
	assert_int_equal(jiffy_length_us(299999000000ULL, JIFFIES_ORIGIN + 1), 0);
}

static void an_unusual_hz_is_as_measured(void **state)
{
	(void)state;
	assert_int_equal(measure(64, 3600000000), 15625);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_long_before_and_after_300_seconds),
		cmocka_unit_test(exact_or_unknown_around_300_seconds),
		cmocka_unit_test(unknown_when_the_signs_differ),
		cmocka_unit_test(an_unusual_hz_is_as_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
