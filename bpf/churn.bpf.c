/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports taken, given back and refused, counted where they happen: per namespace, and per process and
 * destination. User space reads totals; a full ring buffer changes none of them. */
#include "porttrace.bpf.h"
#include "porttrace/churn.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* netns */
	__type(value, struct churn_counts);
} churn_namespaces SEC(".maps");

/* The least used make room: a total that matters is one that grows. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct churn_flow);
	__type(value, struct churn_counts);
} churn_flows SEC(".maps");

static void count(struct churn_counts *counts, __u32 counter)
{
	if (counter < CHURN_COUNTERS)
		__sync_fetch_and_add(&counts->values[counter], 1);
}

static void count_flow(const struct wire_sock *sock, const struct wire_task *task, __u32 counter)
{
	struct churn_flow flow = {.pid = task->pid, .netns = sock->netns};
	struct churn_counts *counts;

	/* Of an accepted connection the remote end is whoever came, not a destination. */
	if (!(sock->flags & WIRE_ACCEPTED)) {
		__builtin_memcpy(flow.addr, sock->remote_addr, sizeof(flow.addr));
		flow.port = sock->remote_port;
	}
	counts = bpf_map_lookup_elem(&churn_flows, &flow);
	if (!counts) {
		struct churn_counts first = {.start_boot_ns = task->start_boot_ns};

		__builtin_memcpy(first.comm, task->comm, sizeof(first.comm));
		bpf_map_update_elem(&churn_flows, &flow, &first, BPF_NOEXIST);
		counts = bpf_map_lookup_elem(&churn_flows, &flow);
	}
	if (counts)
		count(counts, counter);
}

__hidden void churn_count(const struct wire_sock *sock, const struct wire_task *task, __u32 counter)
{
	__u32 netns = sock->netns;
	struct churn_counts *counts = bpf_map_lookup_elem(&churn_namespaces, &netns);

	if (!counts) {
		struct churn_counts first = {};

		bpf_map_update_elem(&churn_namespaces, &netns, &first, BPF_NOEXIST);
		counts = bpf_map_lookup_elem(&churn_namespaces, &netns);
	}
	if (counts)
		count(counts, counter);
	else
		emit_lost(WIRE_LOST_MAP);
	if (task && task->pid && (counter == CHURN_ALLOCATED || counter == CHURN_TIMEWAIT))
		count_flow(sock, task, counter);
}
