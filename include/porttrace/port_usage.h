/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A count of the ports in the ephemeral range of one network namespace, from the kernel's tables.
 * bpf/port_usage.bpf.c counts; source/port_usage.c runs it and reads the result.
 */
#ifndef PORTTRACE_PORT_USAGE_H
#define PORTTRACE_PORT_USAGE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "porttrace/wire.h"

/* Flags in port_usage_ports. */
#define PORT_USAGE_TCP   1 /* has a bind bucket: a socket or a TIME_WAIT uses it */
#define PORT_USAGE_BOUND 2 /* bind() or listen() created the bucket: connect() skips the port */
#define PORT_USAGE_UDP   4

#define PORT_USAGE_PORTS 65536

struct port_usage {
	__u16 low, high;	  /* input: the range */
	__u16 walked;		  /* output: all bind buckets were read; 0: run the program again */
	__u16 next_port;	  /* where the next run begins; initially low */
	__u32 timewait_ephemeral;	  /* output: TIME_WAITs on ports that the kernel selected */
	__u32 pools_missed;	  /* output: sockets that were not counted because the map was full */
};

/* One pair of addresses. Remote end zero: sockets that are bound to the local address. */
struct port_usage_key {
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u16 remote_port;
	__u16 protocol;
	__u32 reserved;
};

struct port_usage_pool {
	__u32 in_use;		 /* TIME_WAIT included */
	__u32 timewait;
	__u32 first_parity;	 /* of those in use: on the ports that connect() tries first */
	__u16 range_low, range_high; /* IP_LOCAL_PORT_RANGE of a socket that has one; 0: none seen */
	__u16 ends[WIRE_POOL_ENDS];  /* as wire_pool.ends */
};

#endif
