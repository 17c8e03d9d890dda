/* SPDX-License-Identifier: GPL-2.0-only */
/* Records which process took each port, for events without a process: in softirq context, of orphans, of
 * TIME_WAITs, and of holders of a refused port that exit before user space scans. */
#include "porttrace.bpf.h"

/*
 * LRUs, because no event deletes the record of a TIME_WAIT. Ephemeral ports and the connections of a busy
 * server change 10,000 times per second; they have maps of their own, so that they evict neither each other
 * nor the records of explicitly bound ports.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* cookie */
	__type(value, struct sock_record);
} records SEC(".maps"), records_accepted SEC(".maps"), records_ephemeral SEC(".maps");

__hidden struct sock_record *record_find(__u64 cookie)
{
	struct sock_record *record;

	if (!cookie)
		return NULL;
	record = bpf_map_lookup_elem(&records_ephemeral, &cookie);
	if (!record)
		record = bpf_map_lookup_elem(&records, &cookie);
	return record ?: bpf_map_lookup_elem(&records_accepted, &cookie);
}

/* The initial value. Records are filled in the map, because old kernels limit the stack of a call chain to
 * 512 bytes. */
static const struct sock_record no_record = {};

static __always_inline struct sock_record *slot_in(void *map, __u64 cookie)
{
	bool added;

	return map_entry(map, &cookie, &no_record, &added);
}

static struct sock_record *slot_of(__u64 cookie, __u32 flags)
{
	if (flags & WIRE_ACCEPTED)
		return slot_in(&records_accepted, cookie);
	if (flags & WIRE_PORT_EPHEMERAL)
		return slot_in(&records_ephemeral, cookie);
	return slot_in(&records, cookie);
}

GLOBAL_SUBPROG int record_store(const struct wire_sock *sock, const struct wire_task *owner, __u64 task,
			       __u64 now, __u32 flags)
{
	struct sock_record *record;

	if (!sock || !owner || !sock->cookie)
		return 0;
	record = slot_of(sock->cookie, sock->flags);
	if (!record) {
		emit_lost(WIRE_LOST_MAP);
		return 0;
	}
	if (owner->pid && filter_task(owner, (struct task_struct *)task))
		flags |= RECORD_WANTED;
	record->sock = *sock;
	record->owner = *owner;
	record->since_ns = now;
	record->error = 0;
	record->flags = flags;
	return 0;
}

__hidden void record_drop(__u64 cookie)
{
	if (bpf_map_delete_elem(&records_ephemeral, &cookie) && bpf_map_delete_elem(&records, &cookie))
		bpf_map_delete_elem(&records_accepted, &cookie);
}
