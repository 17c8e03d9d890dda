/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A port_usage: the ports of the ephemeral range of one network namespace, as the kernel's tables have them.
 * bpf/port_usage.bpf.c counts, source/port_usage.c asks for it and reads the result.
 */
#ifndef PORTTRACE_PORT_USAGE_H
#define PORTTRACE_PORT_USAGE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#include "porttrace/wire.h"

/* port_usage_ports: what a port is. */
#define PORT_USAGE_TCP   1 /* has a bind bucket: a socket or a TIME_WAIT */
#define PORT_USAGE_BOUND 2 /* bind() or listen() made the bucket: connect() passes it by */
#define PORT_USAGE_UDP   4

#define PORT_USAGE_PORTS 65536

struct port_usage {
	__u16 low, high;	  /* in: the range */
	__u16 walked;		  /* out: the bind buckets were all looked at; else run it once more */
	__u16 next_port;		  /* from here on; in, at first: low */
	__u32 timewait_ephemeral;	  /* out: TIME_WAITs on ports that the kernel chose */
	__u32 pools_missed;	  /* out: sockets that found no room in the map */
};

/* From one address to one; remote zero: bound to the local address alone. */
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
	__u32 first_parity;	 /* of those in use: connect() looks at these ports first */
	__u16 range_low, range_high; /* IP_LOCAL_PORT_RANGE of a socket that has one; 0: none seen */
	__u16 ends[WIRE_POOL_ENDS];  /* as in wire_pool */
};

#endif
