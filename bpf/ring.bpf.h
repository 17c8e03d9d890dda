/* SPDX-License-Identifier: GPL-2.0-only */
/* The type of the ring buffer: emit.bpf.c defines it, and holder.bpf.c reserves space in it. */
#ifndef PORTTRACE_RING_BPF_H
#define PORTTRACE_RING_BPF_H

#define RING_SIZE	  (2 * 1024 * 1024)
#define RING_FOR_ERRORS (RING_SIZE / 8) /* successful calls leave this much free */

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_SIZE);
};

#endif
