/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Keys and values of the counter maps: the BPF programs count, user space reads. All counters are totals. */
#ifndef PORTTRACE_CHURN_H
#define PORTTRACE_CHURN_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "porttrace/wire.h"

enum churn_counter {
	/* The kernel selected a port: for connect() of TCP, for bind() to port 0, or without either
	 * (listen(), a connect() or send of UDP). */
	CHURN_BY_CONNECT,
	CHURN_BY_BIND,
	CHURN_BY_AUTOBIND,
	CHURN_RELEASED, /* a socket released such a port; not at the end of a TIME_WAIT
			 * (CHURN_TIMEWAIT_RELEASED) */
	/* No port was available: EADDRNOTAVAIL and EAGAIN of connect(), EADDRINUSE of bind() and
	 * listen(), EAGAIN of a send. */
	CHURN_FAILED_CONNECT,
	CHURN_FAILED_CONNECT_AGAIN,
	CHURN_FAILED_BIND,
	CHURN_FAILED_LISTEN,
	CHURN_FAILED_SEND,
	CHURN_TIMEWAIT,		 /* a TIME_WAIT began */
	CHURN_TIMEWAIT_EPHEMERAL,	 /* of these: on a port that the kernel selected */
	CHURN_TIMEWAIT_OVERFLOW, /* a TIME_WAIT could not begin: tcp_max_tw_buckets, or no memory */
	/* Only if the backend has hooks on the end of a TIME_WAIT. */
	CHURN_TIMEWAIT_EXPIRED,
	CHURN_TIMEWAIT_REUSED,
	CHURN_TIMEWAIT_KILLED,
	CHURN_TIMEWAIT_RELEASED, /* of these: released a port that the kernel selected */
	/* Misuse that exhausts ports, by flow: source/flow_counters.c reports it once. */
	CHURN_BIND_CONNECT, /* connect() on a port that bind() to port 0 selected */
	CHURN_SELF_CONNECT,
	CHURN_COUNTERS,
};

/* One process and one destination. start_ms (CLOCK_BOOTTIME, low bits) distinguishes processes that had the
 * same pid. */
struct churn_flow {
	__u8 remote_addr[16]; /* zero for binds and accepted connections, as is remote_port */
	__u8 local_addr[16];
	__u32 pid;
	__u32 start_ms;
	__u32 netns;
	__u16 remote_port;
	__u16 protocol;
};

struct churn_counts {
	__u64 values[CHURN_COUNTERS];
	__u64 start_boot_ns; /* start of the process; flows only */
	char comm[16];
};

/* Searches for any port, by duration: bucket n counts those of 2^n ns up to 2^(n+1); bucket 0 also shorter
 * ones, the last one also longer ones. Only if the backend measures searches. */
#define CHURN_SEARCH_BUCKETS WIRE_SEARCH_BUCKETS

struct churn_search_key {
	__u8 remote_addr[16]; /* zero: all destinations of the namespace */
	__u32 netns;
	__u16 remote_port;
	__u16 connects; /* 1: by connect(), 0: by bind(), listen() or a send */
};

struct churn_search {
	__u64 buckets[CHURN_SEARCH_BUCKETS];
	__u64 total_ns;
	__u64 max_ns;
};

/* The searches to a destination are counted once one of them took this long; it tried thousands of ports. */
#define CHURN_SEARCH_LONG_NS 100000

#endif
