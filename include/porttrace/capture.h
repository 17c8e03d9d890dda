/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The capture file: this header, then wire events (wire.h) as the kernel side sent them, each hdr.size bytes
 * long. A reader skips kinds that it does not know. The writer replaces the header when it knows more; in a pipe it
 * sends the new one as an event of kind CAPTURE_HEADER_AGAIN.
 */
#ifndef PORTTRACE_CAPTURE_H
#define PORTTRACE_CAPTURE_H

#include <linux/types.h>

#define CAPTURE_MAGIC	   "porttrc"
#define CAPTURE_VERSION	   1
#define CAPTURE_BYTE_ORDER 0x0102

#define CAPTURE_HEADER_AGAIN 0xffff /* wire_hdr.kind: a struct capture_header follows the wire_hdr */

#define CAPTURE_FILTERED (1U << 0) /* filters left out some sockets: the counts are incomplete */

/* A reader reads min(header_size, its own size) bytes of this and continues at offset header_size. */
struct capture_header {
	char magic[8];		/* CAPTURE_MAGIC, NUL included */
	__u32 header_size;
	__u16 version;
	__u16 byte_order;	/* CAPTURE_BYTE_ORDER in the byte order of the writer */
	__s64 boot_to_wall_ns;	/* CLOCK_REALTIME - CLOCK_BOOTTIME at the start */
	__u64 start_boot_ns;	/* when the first snapshot was complete; earlier SOCKET events belong to it.
				 * 0: not yet; in a whole file: the writer ended before that */
	__u64 stop_boot_ns;	/* 0: the file is incomplete */
	__u64 lost_count;	/* events that never reached the file */
	__u32 netns_count;
	__u32 flags;		/* CAPTURE_* */
	char kernel[64];
	char probes[16];
};

#endif
