/* SPDX-License-Identifier: GPL-2.0-only */
/* Who took each port, remembered in the kernel for the places that have no process: softirq, orphans,
 * TIME_WAIT, and the holder of a refused port that is gone before user space looks. */
#include "porttrace.bpf.h"

/* An LRU: a TIME_WAIT's record has no last event to drop it, and must not crowd out the living. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64); /* cookie */
	__type(value, struct sock_record);
} records SEC(".maps");

__hidden struct sock_record *record_find(__u64 cookie)
{
	return cookie ? bpf_map_lookup_elem(&records, &cookie) : NULL;
}

/* Filled in its place in the map: old kernels give all frames together 512 bytes. */
static const struct sock_record no_record = {};

__hidden void record_store(const struct wire_sock *sock, const struct wire_task *owner,
			   struct task_struct *task, __u64 now, __u32 flags)
{
	__u64 cookie = sock->cookie;
	struct sock_record *record;

	if (!cookie)
		return;
	record = bpf_map_lookup_elem(&records, &cookie);
	if (!record) {
		bpf_map_update_elem(&records, &cookie, &no_record, BPF_NOEXIST);
		record = bpf_map_lookup_elem(&records, &cookie);
	}
	if (!record) {
		emit_lost(WIRE_LOST_MAP);
		return;
	}
	if (owner->pid && filter_task(owner, task))
		flags |= RECORD_WANTED;
	record->sock = *sock;
	record->owner = *owner;
	record->since_ns = now;
	record->error = 0;
	record->flags = flags;
}

__hidden void record_drop(__u64 cookie)
{
	bpf_map_delete_elem(&records, &cookie);
}
