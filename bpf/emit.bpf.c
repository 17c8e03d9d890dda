/* SPDX-License-Identifier: GPL-2.0-only */
/* The ring buffer, which carries every event except those of iterators, and the counters of lost events. */
#include "porttrace.bpf.h"
#include "ring.bpf.h"

struct ring_map ring SEC(".maps");

/* Index: enum wire_lost_reason. In .bss, so that user space reads it without a system call. */
__u64 lost_counts[8];

__hidden void emit_lost(__u32 reason)
{
	if (reason < 8)
		__sync_fetch_and_add(&lost_counts[reason], 1);
}

/* Part of the ring is reserved for failures, so that many successful calls do not drop them. */
static bool is_nearly_full(void)
{
	return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > RING_SIZE - RING_FOR_ERRORS;
}

__hidden void emit(void *event, __u16 kind, __u16 size)
{
	emit_outcome(event, kind, size, 0);
}

__hidden void emit_outcome(void *event, __u16 kind, __u16 size, __u32 error)
{
	struct wire_hdr *hdr = event;

	hdr->size = size;
	hdr->kind = kind;
	hdr->cpu = bpf_get_smp_processor_id();
	if (!hdr->boot_ns)
		hdr->boot_ns = bpf_ktime_get_boot_ns();
	if ((!error && is_nearly_full()) || bpf_ringbuf_output(&ring, event, size, 0))
		emit_lost(WIRE_LOST_RING);
}
