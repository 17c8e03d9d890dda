/* SPDX-License-Identifier: GPL-2.0-only */
/* Who took each port, remembered in the kernel for the places that have no process: softirq, orphans,
 * TIME_WAIT, and the holder of a refused port that is gone before user space looks. */
#include "porttrace.bpf.h"

/*
 * LRUs: a TIME_WAIT's record has no last event to drop it, and must not crowd out the living. Ports that
 * the kernel chose, and the connections of a busy server, come and go by the ten thousand a second: they
 * have maps of their own, so that they crowd out neither each other nor the ports that were asked for.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* cookie */
	__type(value, struct sock_record);
} records SEC(".maps"), records_accepted SEC(".maps"), records_chosen SEC(".maps");

__hidden struct sock_record *record_find(__u64 cookie)
{
	struct sock_record *record;

	if (!cookie)
		return NULL;
	record = bpf_map_lookup_elem(&records_chosen, &cookie);
	if (!record)
		record = bpf_map_lookup_elem(&records, &cookie);
	return record ?: bpf_map_lookup_elem(&records_accepted, &cookie);
}

static long record_put(__u64 cookie, const struct sock_record *record)
{
	if (record->sock.flags & WIRE_ACCEPTED)
		return bpf_map_update_elem(&records_accepted, &cookie, record, BPF_ANY);
	if (record->sock.flags & WIRE_PORT_CHOSEN)
		return bpf_map_update_elem(&records_chosen, &cookie, record, BPF_ANY);
	return bpf_map_update_elem(&records, &cookie, record, BPF_ANY);
}

__hidden void record_store(const struct wire_sock *sock, const struct wire_task *owner,
			   struct task_struct *task, __u64 now, __u32 flags)
{
	struct sock_record record = {.since_ns = now, .flags = flags};
	__u64 cookie = sock->cookie;

	if (!cookie)
		return;
	record.sock = *sock;
	record.owner = *owner;
	if (owner->pid && filter_task(owner, task))
		record.flags |= RECORD_WANTED;
	if (record_put(cookie, &record))
		emit_lost(WIRE_LOST_MAP);
}

__hidden void record_drop(__u64 cookie)
{
	if (bpf_map_delete_elem(&records_chosen, &cookie) && bpf_map_delete_elem(&records, &cookie))
		bpf_map_delete_elem(&records_accepted, &cookie);
}
