/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The counter maps that the kernel side fills and user space reads: keys and values. Totals only. */
#ifndef PORTTRACE_CHURN_H
#define PORTTRACE_CHURN_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "porttrace/wire.h"

enum churn_counter {
	/* A port that the kernel chose was taken: by connect() of TCP, by bind() to port 0, or without
	 * either (listen(), a connect() or send of UDP). */
	CHURN_BY_CONNECT,
	CHURN_BY_BIND,
	CHURN_BY_AUTOBIND,
	CHURN_RELEASED, /* its socket gave such a port back; a TIME_WAIT's end is CHURN_TIMEWAIT_RELEASED */
	/* No port was available: EADDRNOTAVAIL and EAGAIN of connect(), EADDRINUSE of bind() and
	 * listen(), EAGAIN of a send. */
	CHURN_FAILED_CONNECT,
	CHURN_FAILED_CONNECT_AGAIN,
	CHURN_FAILED_BIND,
	CHURN_FAILED_LISTEN,
	CHURN_FAILED_SEND,
	CHURN_TIMEWAIT,		 /* a TIME_WAIT began */
	CHURN_TIMEWAIT_EPHEMERAL,	 /* of these: on a port that the kernel chose */
	CHURN_TIMEWAIT_OVERFLOW, /* it could not begin: tcp_max_tw_buckets, or no memory */
	/* Only where a backend has hooks on the end of a TIME_WAIT. */
	CHURN_TIMEWAIT_EXPIRED,
	CHURN_TIMEWAIT_REUSED,
	CHURN_TIMEWAIT_KILLED,
	CHURN_TIMEWAIT_RELEASED, /* of these: gave a chosen port back */
	/* What makes ports run out, by flow: source/flow_counters.c reports it once. */
	CHURN_BIND_CONNECT, /* connect() on a port that bind() chose */
	CHURN_SELF_CONNECT,
	CHURN_COUNTERS,
};

/* One process towards one destination. start_ms (of CLOCK_BOOTTIME, low bits) distinguishes processes that
 * have the same pid one after the other. */
struct churn_flow {
	__u8 remote_addr[16]; /* zero for a bind and for accepted connections, and the port with it */
	__u8 local_addr[16];
	__u32 pid;
	__u32 start_ms;
	__u32 netns;
	__u16 remote_port;
	__u16 protocol;
};

struct churn_counts {
	__u64 values[CHURN_COUNTERS];
	__u64 start_boot_ns; /* of the process, flows only */
	char comm[16];
};

/* Searches for any port, by how long they took: bucket n counts those of 2^n ns and more (n = 0: all
 * shorter ones), the last one all longer ones. Only where a backend measures them. */
#define CHURN_SEARCH_BUCKETS WIRE_SEARCH_BUCKETS

struct churn_search_key {
	__u8 remote_addr[16]; /* zero: all of the namespace */
	__u32 netns;
	__u16 remote_port;
	__u16 connects; /* 1: by connect(), 0: by bind(), listen() or a send */
};

struct churn_search {
	__u64 buckets[CHURN_SEARCH_BUCKETS];
	__u64 total_ns;
	__u64 max_ns;
};

/* A destination is kept, with all searches from then on, once one took this long: it stepped over thousands
 * of ports. */
#define CHURN_SEARCH_LONG_NS 100000

#endif
