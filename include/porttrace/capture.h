/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The capture file: this header, then wire events one behind the other, just as the kernel sent them
 * (wire.h), each as long as its hdr.size says. Little else: a reader skips kinds it does not know.
 */
#ifndef PORTTRACE_CAPTURE_H
#define PORTTRACE_CAPTURE_H

#include <linux/types.h>

#define CAPTURE_MAGIC	   "porttrc"
#define CAPTURE_VERSION	   1
#define CAPTURE_BYTE_ORDER 0x0102

#define CAPTURE_FILTERED (1U << 0) /* some sockets were left out: what it has cannot be added up */

/* A reader takes min(header_size, its own) bytes of this and goes on at header_size. */
struct capture_header {
	char magic[8];		/* CAPTURE_MAGIC, NUL included */
	__u32 header_size;
	__u16 version;
	__u16 byte_order;	/* as the writer's machine has it */
	__s64 boot_to_wall_ns;	/* CLOCK_REALTIME - CLOCK_BOOTTIME when it began */
	__u64 start_boot_ns;	/* when the first snapshot was complete: what was scanned before it is that
				 * snapshot; 0: the writer did not get so far */
	__u64 stop_boot_ns;	/* 0: the writer did not finish the file */
	__u64 lost_count;	/* events that never reached the file */
	__u32 netns_count;
	__u32 flags;		/* CAPTURE_* */
	char kernel[64];
	char probes[16];
};

#endif
