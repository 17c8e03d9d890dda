/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel differences, each with the change that made it. Code asks whether a field exists, never which
 * version this is; CO-RE drops the ___suffix of a type.
 */
#ifndef PORTTRACE_COMPAT_BPF_H
#define PORTTRACE_COMPAT_BPF_H

#include "vmlinux.h"

/* Until "inet: introduce inet->inet_flags" (6.6) these were bitfields. */
struct inet_sock___bitfields {
	__u8 freebind : 1, transparent : 1, bind_address_no_port : 1;
} __attribute__((preserve_access_index));

/* Until "cgroup: Replace cgroup->ancestor_ids[] with ->ancestors[]" (6.1). */
struct cgroup___ancestor_ids {
	int level;
	u64 ancestor_ids[];
} __attribute__((preserve_access_index));

/* Until "tcp: Link sk and twsk to tb2->owners using skc_bind_node" (6.8) the sockets of a port hung on
 * its bhash bucket; since then on the bhash2 buckets (port and address) below it. */
struct inet_bind_bucket___owners {
	struct hlist_head owners;
} __attribute__((preserve_access_index));

/* Until "tcp: Access &tcp_hashinfo via net" (6.1) and "udp: Access &udp_table via net" (6.2) only the
 * protocol knew its table. */
struct proto___tables {
	union {
		struct inet_hashinfo *hashinfo;
		struct udp_table *udp_table;
	} h;
} __attribute__((preserve_access_index));

#endif
