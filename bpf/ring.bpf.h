/* SPDX-License-Identifier: GPL-2.0-only */
/* The ring buffer's type, for emit.bpf.c which owns it and holder.bpf.c which must reserve in place. */
#ifndef PORTTRACE_RING_BPF_H
#define PORTTRACE_RING_BPF_H

#define RING_SIZE	  (2 * 1024 * 1024)
#define RING_FOR_REFUSALS (RING_SIZE / 8) /* the rest of the events leave this much free */

struct ring_map {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_SIZE);
};

#endif
