/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport protocols by number, and how late the timer of a TIME_WAIT is. */
#ifndef PORTTRACE_UTIL_PROTOCOL_H
#define PORTTRACE_UTIL_PROTOCOL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef IPPROTO_MPTCP /* glibc 2.32 */
#define IPPROTO_MPTCP 262
#endif

static inline bool protocol_is_udp(uint16_t protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

/* The timer of a TIME_WAIT ends at most this late: by 512 jiffies, the granularity of a timer of 60 s, where
 * CONFIG_HZ is 100 (calc_index() in kernel/time/timer.c). */
#define TIMEWAIT_LATE_MS 5120U

#endif
