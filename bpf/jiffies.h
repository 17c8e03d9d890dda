/* SPDX-License-Identifier: GPL-2.0-only */
/* Measures the length of a jiffy (1/CONFIG_HZ), because no BPF helper returns it. A unit test compiles this
 * file too. */
#ifndef PORTTRACE_JIFFIES_H
#define PORTTRACE_JIFFIES_H

/* At boot, when CLOCK_MONOTONIC is 0, jiffies are 300 s before 2^32 (INITIAL_JIFFIES in
 * include/linux/jiffies.h). */
#define JIFFIES_ORIGIN	  (1ULL << 32)
#define JIFFIES_ORIGIN_US 300000000LL

/* With fewer jiffies the quotient is inexact; with this many its error is at most 1 %. */
#define JIFFIES_MIN 100

/*
 * Returns microseconds: the time between now and the moment when jiffies are 2^32 (uptime 300 s), divided by
 * the jiffies between the two. A value within 5 % of a usual CONFIG_HZ (1000, 300, 250, 100) is rounded to
 * it. Returns 0 (not known) while the uptime is within JIFFIES_MIN jiffies of 300 s.
 */
static inline __attribute__((always_inline)) __u32 jiffy_length_us(__u64 monotonic_ns, __u64 jiffies64)
{
	static const __u32 usual[] = {1000, 3333, 4000, 10000};
	__s64 us = (__s64)(monotonic_ns / 1000) - JIFFIES_ORIGIN_US;
	__s64 jiffies = (__s64)(jiffies64 - JIFFIES_ORIGIN);
	__u32 measured;

	if (us < 0) {
		us = -us;
		jiffies = -jiffies;
	}
	if (jiffies < JIFFIES_MIN)
		return 0;
	measured = (__u64)us / (__u64)jiffies;
	for (int i = 0; i < 4; i++) {
		if (measured > usual[i] - usual[i] / 20 && measured < usual[i] + usual[i] / 20)
			return usual[i];
	}
	return measured;
}

#endif
