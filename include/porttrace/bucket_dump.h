/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Request and result of a dump of the sockets on one port from the kernel's tables (bpf/holder.bpf.c). */
#ifndef PORTTRACE_BUCKET_DUMP_H
#define PORTTRACE_BUCKET_DUMP_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* The sockets are sent as wire_socket events; those of UDP in the order in which the kernel compares them. */
struct bucket_dump {
	__u32 fd;     /* a socket of this protocol and network namespace, in the process that requests the dump */
	__u32 l3mdev; /* ifindex of the VRF of the device that the caller is bound to; 0: none */
	__u16 port;   /* not 0 */
	__u8 done;    /* the tables were read completely */
	/* Fields of the TCP bucket of the port (struct inet_bind_bucket). has_bucket 0: there is none. */
	__u8 has_bucket;
	__s8 fastreuse;
	__s8 fastreuseport;
	__u16 fast_family;
	__u32 fast_uid;
	__u32 fast_v6only;
	__u32 fast_addr[4]; /* as the 16 bytes of an address, IPv4 mapped */
	__u32 found;	    /* sockets on the port */
	__u32 sent;	    /* of these: sent as events */
	__u32 connected;    /* of these: connections that a process has open */
};

#endif
