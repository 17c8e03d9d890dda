/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A walk over the sockets of one port in the kernel's own tables: the request, and its result. */
#ifndef PORTTRACE_BUCKET_DUMP_H
#define PORTTRACE_BUCKET_DUMP_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* The sockets come as wire_socket events, those of UDP in the order in which the kernel looks at them. */
struct bucket_dump {
	__u32 fd;   /* a socket of the namespace and protocol, of the process that asks */
	__u32 l3mdev; /* the VRF of the device that the caller is bound to: its ifindex; 0: none */
	__u16 port; /* not 0 */
	__u8 done;  /* the tables were found and walked to the end */
	/* What the TCP bucket of the port remembers (struct inet_bind_bucket); has_bucket 0: there is none. */
	__u8 has_bucket;
	__s8 fastreuse;
	__s8 fastreuseport;
	__u16 fast_family;
	__u32 fast_uid;
	__u32 fast_v6only;
	__u32 fast_addr[4]; /* as the 16 bytes of an address, IPv4 mapped */
	__u32 found;	    /* sockets on the port */
	__u32 sent;	    /* of these, as events */
	__u32 connected;    /* of those, connections of a process */
};

#endif
