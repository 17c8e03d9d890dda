/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The counter maps that the kernel side fills and user space reads: keys and values. Totals only. */
#ifndef PORTTRACE_CHURN_H
#define PORTTRACE_CHURN_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum churn_counter {
	CHURN_ALLOCATED, /* a port that the kernel chose was taken */
	CHURN_RELEASED,	 /* such a port was given back by its socket */
	CHURN_FAILED,	 /* no port was to be had */
	CHURN_TIMEWAIT,	 /* a TIME_WAIT began */
};
#define CHURN_COUNTERS 4

struct churn_flow {
	__u8 addr[16]; /* remote; zero for a bind and for accepted connections */
	__u32 pid;
	__u32 netns;
	__u16 port;
	__u16 reserved[3];
};

struct churn_counts {
	__u64 values[CHURN_COUNTERS];
	__u64 start_boot_ns; /* of the process, flows only */
	char comm[16];
};

#endif
