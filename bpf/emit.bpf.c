/* SPDX-License-Identifier: GPL-2.0-only */
/* The ring buffer and the loss counters: the only way out of the kernel, and what did not get out. */
#include "porttrace.bpf.h"
#include "ring.bpf.h"

struct ring_map ring SEC(".maps");

/* By wire_lost_reason. In .bss, so user space reads it without a system call. */
__u64 lost_counts[8];

__hidden void emit_lost(__u32 reason)
{
	if (reason < 8)
		__sync_fetch_and_add(&lost_counts[reason], 1);
}

__hidden void emit(void *event, __u16 kind, __u16 size)
{
	struct wire_hdr *hdr = event;

	hdr->size = size;
	hdr->kind = kind;
	hdr->cpu = bpf_get_smp_processor_id();
	if (!hdr->boot_ns)
		hdr->boot_ns = bpf_ktime_get_boot_ns();
	if (bpf_ringbuf_output(&ring, event, size, 0))
		emit_lost(WIRE_LOST_RING);
}
