/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Settings of the BPF programs, written before they are loaded: the filters and what to report. They are
 * constant afterwards, so the verifier removes the branches that a run does not need.
 */
#ifndef PORTTRACE_SETTINGS_H
#define PORTTRACE_SETTINGS_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define SETTINGS_LIST_MAX 16
#define SETTINGS_PORTS	  65536

/* The values of a filter option; count 0: no filter. */
struct settings_numbers {
	__u32 count;
	__u32 values[SETTINGS_LIST_MAX];
};

struct settings_names {
	__u32 count;
	char values[SETTINGS_LIST_MAX][16];
};

/* IPv4 is mapped: a.b.c.d/n is ::ffff:a.b.c.d/(96 + n). */
struct settings_cidr {
	__u8 addr[16];
	__u32 prefix;
};

struct settings_cidrs {
	__u32 count;
	struct settings_cidr values[SETTINGS_LIST_MAX];
};

struct settings_ports {
	__u32 used; /* 0: every port */
	__u32 reserved;
	__u64 bits[SETTINGS_PORTS / 64];
};

struct settings {
	__u32 kinds;	     /* bit per wire_kind that is reported */
	__u32 failed_only;
	__u32 ipv4, ipv6;    /* options -4 and -6; both or neither: all */
	__u32 record_existing_owners;   /* a snapshot adds records of owners; 0: no probe uses records */
	__u64 cgroup_id;     /* this cgroup and its descendants; 0: all */
	__u32 cgroup_level;  /* depth of that cgroup */
	__u32 pid_ns;	     /* inode number of the reader's pid namespace, in whose numbers pids are reported; 0: the
			      * initial one. Set when the programs are loaded. */
	struct settings_numbers pids, uids, netns, protocols;
	struct settings_names comms;
	struct settings_cidrs local, remote;
	struct settings_ports local_ports, remote_ports;
};

/* Limits of a scan of existing sockets; user space changes them between scans. */
struct scan_settings {
	__u32 netns;		/* 0: all */
	__u32 cookie_count;	/* not 0: only sockets with these cookies, without filters */
	__u64 cookies[64];	/* those beyond the count are 0 */
	__u16 port;		/* not 0: only this local port, in every namespace, without filters */
	__u16 port_high;	/* not 0: the ports from `port` to this one, in `netns` only */
	__u16 idle;		/* of sockets with a descriptor only those in state CLOSE (bound or idle) */
	__u16 servers;		/* only sockets to which others may connect, in every namespace, without filters */
};

#endif
