/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Types of older kernels, each with the commit that changed them. The code tests whether a field exists
 * (CO-RE), never the kernel version. CO-RE ignores the ___suffix of a type name.
 */
#ifndef PORTTRACE_COMPAT_BPF_H
#define PORTTRACE_COMPAT_BPF_H

#include "vmlinux.h"

/* Until "inet: introduce inet->inet_flags" (6.6) these were bitfields. */
struct inet_sock___bitfields {
	__u8 freebind : 1, transparent : 1, bind_address_no_port : 1;
} __attribute__((preserve_access_index));

/* Until "inet: Change inet_sk(sk)->local_port_range type to u32" (6.8). */
struct inet_sock___ends {
	struct {
		u16 lo, hi;
	} local_port_range;
} __attribute__((preserve_access_index));

/* Until "cgroup: Replace cgroup->ancestor_ids[] with ->ancestors[]" (6.1). */
struct cgroup___ancestor_ids {
	int level;
	u64 ancestor_ids[];
} __attribute__((preserve_access_index));

/* Until "tcp: Link sk and twsk to tb2->owners using skc_bind_node" (6.8) the sockets of a port were linked to
 * its bhash bucket; since then to the bhash2 buckets (port and address) below it. */
struct inet_bind_bucket___owners {
	struct hlist_head owners;
} __attribute__((preserve_access_index));

/* Until "tcp: Access &tcp_hashinfo via net" (6.1) and "udp: Access &udp_table via net" (6.2) only struct
 * proto pointed to the table. */
struct proto___tables {
	union {
		struct inet_hashinfo *hashinfo;
		struct udp_table *udp_table;
	} h;
} __attribute__((preserve_access_index));

#endif
