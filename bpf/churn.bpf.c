/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts ports that are taken, released and refused: per namespace, and per process and destination. User space
 * reads totals; events lost from the ring buffer do not change them. */
#include "porttrace.bpf.h"
#include "read.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32); /* netns */
	__type(value, struct churn_counts);
} churn_namespaces SEC(".maps");

/* LRU: active flows stay. The counts of evicted flows are the total of the namespace minus the sum of its
 * flows. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct churn_flow);
	__type(value, struct churn_counts);
} churn_flows SEC(".maps");

__u64 churn_flows_added = 0;

SEC("?iter/bpf_map_elem")
int churn_namespaces_read(struct bpf_iter__bpf_map_elem *ctx)
{
	return element_write(ctx, sizeof(__u32), sizeof(struct churn_counts));
}

SEC("?iter/bpf_map_elem")
int churn_flows_read(struct bpf_iter__bpf_map_elem *ctx)
{
	return element_write(ctx, sizeof(struct churn_flow), sizeof(struct churn_counts));
}

static void count(struct churn_counts *counts, __u32 counter)
{
	if (counter < CHURN_COUNTERS)
		__sync_fetch_and_add(&counts->values[counter], 1);
}

/* The value of a new entry: too large for the stack. */
static const struct churn_counts zero_counts = {};

static void count_flow(const struct wire_sock *sock, const struct wire_task *task, __u32 counter)
{
	struct churn_flow flow = {
		.pid = task->pid,
		.start_ms = task->start_boot_ns / 1000000,
		.netns = sock->netns,
		.protocol = sock->protocol,
	};
	struct churn_counts *counts;
	bool added;

	__builtin_memcpy(flow.local_addr, sock->local_addr, sizeof(flow.local_addr));
	/* The remote end of an accepted connection is a client, not a destination. */
	if (!(sock->flags & WIRE_ACCEPTED)) {
		__builtin_memcpy(flow.remote_addr, sock->remote_addr, sizeof(flow.remote_addr));
		flow.remote_port = sock->remote_port;
	}
	counts = map_entry(&churn_flows, &flow, &zero_counts, &added);
	if (added)
		__sync_fetch_and_add(&churn_flows_added, 1);
	if (!counts)
		return;
	if (!counts->start_boot_ns) {
		counts->start_boot_ns = task->start_boot_ns;
		__builtin_memcpy(counts->comm, task->comm, sizeof(counts->comm));
	}
	count(counts, counter);
}

GLOBAL_SUBPROG int churn_count(const struct wire_sock *sock, const struct wire_task *task, __u32 counter)
{
	__u32 netns = sock ? sock->netns : 0;
	struct churn_counts *counts;
	bool added;

	if (!sock)
		return 0;
	counts = map_entry(&churn_namespaces, &netns, &zero_counts, &added);
	if (counts)
		count(counts, counter);
	else
		emit_lost(WIRE_LOST_MAP);
	if (task && task->pid)
		count_flow(sock, task, counter);
	return 0;
}

/* Ports that have or had a listener. Its accepted connections use the same port, so they did not take an
 * ephemeral one. Key: network namespace, port. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u8);
} churn_listens SEC(".maps");

__hidden void churn_add_listener(__u32 netns, __u16 port)
{
	__u64 key = (__u64)netns << 16 | port;
	__u8 listened = 1;

	if (!bpf_map_lookup_elem(&churn_listens, &key))
		bpf_map_update_elem(&churn_listens, &key, &listened, BPF_ANY);
}

__hidden bool churn_had_listener(__u32 netns, __u16 port)
{
	__u64 key = (__u64)netns << 16 | port;

	return bpf_map_lookup_elem(&churn_listens, &key);
}

static __always_inline bool is_self_connect(const struct wire_sock *sock)
{
	const __u64 *local = (const void *)sock->local_addr, *remote = (const void *)sock->remote_addr;

	return sock->local_port == sock->remote_port && local[0] == remote[0] && local[1] == remote[1];
}

__hidden void churn_connect(const struct wire_sock *sock, const struct wire_task *task, bool was_bound)
{
	if (sock->protocol == IPPROTO_UDP || sock->protocol == IPPROTO_UDPLITE ||
	    !(sock->flags & WIRE_PORT_EPHEMERAL))
		return;
	/* With IP_BIND_ADDRESS_NO_PORT bind() takes no port, so no record exists before connect(). */
	if (was_bound)
		churn_count(sock, task, CHURN_BIND_CONNECT);
	else if (is_self_connect(sock))
		churn_count(sock, task, CHURN_SELF_CONNECT);
}

/* Two LRUs, so that many destinations do not evict the sums of namespaces. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct churn_search_key);
	__type(value, struct churn_search);
} churn_searches SEC(".maps"), churn_searches_to SEC(".maps");

SEC("?iter/bpf_map_elem")
int churn_searches_read(struct bpf_iter__bpf_map_elem *ctx)
{
	return element_write(ctx, sizeof(struct churn_search_key), sizeof(struct churn_search));
}

/* Set by the first long search. Until then connect() does not search the map of destinations. */
static bool has_long_searches = false;

static const struct churn_search no_search = {};

static __u32 log2_of(__u64 value)
{
	__u32 result = 0;

	for (__u32 shift = 32; shift; shift >>= 1) {
		if (value >> shift) {
			value >>= shift;
			result += shift;
		}
	}
	return result < CHURN_SEARCH_BUCKETS ? result : CHURN_SEARCH_BUCKETS - 1;
}

/* may_add: adds a missing entry. */
static __always_inline void search_add(void *map, const struct churn_search_key *key, __u64 duration_ns, bool may_add)
{
	__u32 bucket = log2_of(duration_ns);
	struct churn_search *search;
	bool added;

	search = may_add ? map_entry(map, key, &no_search, &added) : bpf_map_lookup_elem(map, key);
	if (!search)
		return;
	if (bucket < CHURN_SEARCH_BUCKETS)
		__sync_fetch_and_add(&search->buckets[bucket], 1);
	__sync_fetch_and_add(&search->total_ns, duration_ns);
	/* If two CPUs write at the same time, the smaller value may stay; that is accepted. */
	if (duration_ns > search->max_ns)
		search->max_ns = duration_ns;
}

__hidden void churn_search(struct sock *untyped, __u64 duration_ns, bool connects)
{
	struct churn_search_key key = {.connects = connects};
	struct sock *sk = TYPED(struct sock, untyped);
	bool is_long = duration_ns >= CHURN_SEARCH_LONG_NS;

	key.netns = READ(sk, __sk_common.skc_net.net, ns.inum);
	search_add(&churn_searches, &key, duration_ns, true);
	if (!connects || (!is_long && !has_long_searches))
		return;
	has_long_searches = true;
	key.remote_port = bpf_ntohs(READ(sk, __sk_common.skc_dport));
	if (READ(sk, __sk_common.skc_family) == AF_INET) {
		__u32 *words = (__u32 *)key.remote_addr;

		words[2] = bpf_htonl(0xffff);
		words[3] = READ(sk, __sk_common.skc_daddr);
	} else {
		READ_INTO((struct in6_addr *)key.remote_addr, sk, __sk_common.skc_v6_daddr);
	}
	search_add(&churn_searches_to, &key, duration_ns, is_long);
}
