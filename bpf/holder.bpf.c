/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who has the port, asked of the kernel's own tables microseconds after it refused: the bind bucket of
 * TCP (listeners, bound and idle sockets, connections, orphans, TIME_WAIT) and the hash slot of UDP. No
 * lock is taken: a chain that changes underfoot ends the walk early, never wrong. Rare, so plain reads.
 */
#include "porttrace.bpf.h"
#include "compat.bpf.h"
#include "ring.bpf.h"

extern struct ring_map ring SEC(".maps");

struct bucket_dump bucket_dump = {};

#ifdef BOUNDED_WALKS
#define WALK_STEPS	48
#else
#define WALK_STEPS	65536
#endif
#define ASKED_STEPS	(8 * 1024 * 1024) /* BPF_MAX_LOOPS */
#define WALK_SOCKETS	64 /* FAILURE_HOLDERS_MAX */
#define WALK_CONNECTED	16 /* of these: connections, which a busy server has by the thousand */
#define ASKED_SOCKETS	8192 /* the same where somebody waits for the answer: what the ring holds */
#define ASKED_CONNECTED 1024 /* of these: those that a look at descriptors finds as well */

struct walk {
	/* the next node on each level of the chain, NULL when a level is done */
	struct hlist_node *buckets, *buckets2, *sockets;
	struct sock *caller; /* it is in the namespace that is walked */
	__u64 failure_id;
	/* No larger: old kernels round every frame up to 32 bytes and give 512 to all together. */
	__u16 port;
	__u8 connected, sent;
	bool udp, done, is_cgroup_seen; /* asked: by bucket_dump; else for a refusal */
};

#define NODE_ENTRY(node, type, member) ((type *)((char *)(node) - bpf_core_field_offset(type, member)))

static bool is_connected(__u8 state)
{
	return state != WIRE_TCP_LISTEN && state != WIRE_TCP_CLOSE;
}

static __always_inline bool refused_enough(struct walk *walk, __u8 state)
{
#ifdef BOUNDED_WALKS
	return false; /* the steps are the limit: counts would make every one another for the verifier */
#endif
	if (is_connected(state)) {
		if (walk->connected >= WALK_CONNECTED)
			return true;
		walk->connected++;
	}
	return ++walk->sent > WALK_SOCKETS;
}

/*
 * A connection that is in no process's hands is told whatever the number: nothing else finds it. The
 * counters are in a map, whose values the verifier does not follow.
 */
static __always_inline bool cgroup_seen_enough(struct sock *sk, __u8 state)
{
	bucket_dump.found++;
	if (is_connected(state) && state != WIRE_TCP_TIME_WAIT && BPF_CORE_READ(sk, sk_socket, file)) {
		if (bucket_dump.connected >= ASKED_CONNECTED)
			return true;
		bucket_dump.connected++;
	}
	if (bucket_dump.sent >= ASKED_SOCKETS)
		return true;
	bucket_dump.sent++;
	return false;
}

/* Global, as holders_emit() is; udp: which table it was found in. Returns 0. */
int holder_tell(__u64 address, __u64 failure_id, __u32 udp)
{
	struct sock *sk = (struct sock *)address;
	struct sock_record *record;
	struct wire_socket *event;

	event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	if (!event) {
		emit_lost(WIRE_LOST_RING);
		return 0;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->hdr.size = sizeof(*event);
	event->hdr.kind = WIRE_SOCKET;
	event->hdr.boot_ns = bpf_ktime_get_boot_ns();
	event->failure_id = failure_id;
	event->fd = -1;
	sock_fill(&event->sock, sk);
	if (udp)
		event->sock.protocol = sock_protocol(sk);
	sock_fill_more(event, sk);
	sock_mark_accepted(&event->sock, sk);
	event->sock.flags |= sock_bucket_flags(&event->sock, sk);
	sock_fold_subflow(&event->sock, sk);
	record = record_find(event->sock.cookie);
	/* A socket of the kernel's has a maker, and nobody who holds it. */
	if (record && !(event->sock.flags & WIRE_KERNEL_OWNED)) {
		event->task = record->owner;
		event->since_boot_ns = record->since_ns;
		/* It has no uid of its own; that of a socket may have changed since (fchown()). */
		if (event->sock.state == WIRE_TCP_TIME_WAIT)
			event->sock.uid = record->sock.uid;
		event->sock.flags |= record->sock.flags & WIRE_ACCEPTED;
	}
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __always_inline void holder_emit(struct walk *walk, struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	if (walk->is_cgroup_seen ? !cgroup_seen_enough(sk, state) : !refused_enough(walk, state))
		holder_tell((__u64)sk, walk->failure_id, walk->udp);
}

static struct hlist_node *next_of(struct hlist_node *node)
{
	struct hlist_node *next = BPF_CORE_READ(node, next);

	/* UDP's slots end in an odd value in place of NULL on some kernels (hlist_nulls). */
	return (unsigned long)next & 1 ? NULL : next;
}

static __always_inline struct net *net_of(const struct walk *walk)
{
	struct sock *sk = walk->caller;

	return BPF_CORE_READ(sk, __sk_common.skc_net.net);
}

static __always_inline __u32 device_of(const struct walk *walk)
{
	struct sock *sk = walk->caller;

	return BPF_CORE_READ(sk, __sk_common.skc_bound_dev_if);
}

static bool same_net(struct walk *walk, possible_net_t *of)
{
	struct net *net = NULL;

	bpf_core_read(&net, sizeof(net), &of->net);
	return net == net_of(walk);
}

static __always_inline void socket_step(struct walk *walk)
{
	struct sock *sk = walk->udp ?
		(struct sock *)NODE_ENTRY(walk->sockets, struct sock_common, skc_node) :
		(struct sock *)NODE_ENTRY(walk->sockets, struct sock_common, skc_bind_node);

	walk->sockets = next_of(walk->sockets);
	if (sk != walk->caller && sock_port(sk) == walk->port &&
	    same_net(walk, &sk->__sk_common.skc_net))
		holder_emit(walk, sk);
}

/* What lets in the next one without a look at the others. */
static __always_inline void bucket_tell(struct inet_bind_bucket *bucket)
{
	struct bucket_dump *asked = &bucket_dump;

	asked->has_bucket = 1;
	asked->fastreuse = BPF_CORE_READ(bucket, fastreuse);
	asked->fastreuseport = BPF_CORE_READ(bucket, fastreuseport);
	asked->fast_family = BPF_CORE_READ(bucket, fast_sk_family);
	asked->fast_uid = BPF_CORE_READ(bucket, fastuid.val);
	asked->fast_v6only = BPF_CORE_READ(bucket, fast_ipv6_only);
	if (asked->fast_family == AF_INET6) {
		struct in6_addr addr = BPF_CORE_READ(bucket, fast_v6_rcv_saddr);

		for (int i = 0; i < 4; i++)
			asked->fast_addr[i] = addr.in6_u.u6_addr32[i];
	} else {
		asked->fast_addr[2] = bpf_htonl(0xffff);
		asked->fast_addr[3] = BPF_CORE_READ(bucket, fast_rcv_saddr);
	}
}

/* Of its own where frames count most; a loop in this kernel's eyes must not end in a call. */
#ifdef BOUNDED_WALKS
static __always_inline
#else
static __noinline
#endif
void bucket_step(struct walk *walk)
{
	struct inet_bind_bucket *bucket = NODE_ENTRY(walk->buckets, struct inet_bind_bucket, node);

	__u32 l3mdev = BPF_CORE_READ(bucket, l3mdev);

	walk->buckets = next_of(walk->buckets);
	if (BPF_CORE_READ(bucket, port) != walk->port || !same_net(walk, &bucket->ib_net))
		return;
	/* The ports of a VRF are its own (inet_bind_bucket_match()); whoever has no device is in none. Of a
	 * refusal more is not known here than that there is a device. */
	if (walk->is_cgroup_seen ? l3mdev != bucket_dump.l3mdev : l3mdev && !device_of(walk))
		return;
	if (walk->is_cgroup_seen)
		bucket_tell(bucket);
	if (bpf_core_field_exists(bucket->bhash2))
		walk->buckets2 = BPF_CORE_READ(bucket, bhash2.first);
	else
		walk->sockets = BPF_CORE_READ((struct inet_bind_bucket___owners *)bucket, owners.first);
}

static __always_inline void bucket2_step(struct walk *walk)
{
	struct inet_bind2_bucket *bucket = NODE_ENTRY(walk->buckets2, struct inet_bind2_bucket, bhash_node);

	walk->buckets2 = next_of(walk->buckets2);
	walk->sockets = BPF_CORE_READ(bucket, owners.first);
}

static long walk_step(__u32 index, void *context)
{
	struct walk *walk = context;

#ifndef BOUNDED_WALKS
	if (!walk->is_cgroup_seen && walk->sent > WALK_SOCKETS)
		return 1;
#endif
	if (walk->sockets)
		socket_step(walk);
	else if (walk->buckets2)
		bucket2_step(walk);
	else if (walk->buckets)
		bucket_step(walk);
	else {
		walk->done = true;
		return 1;
	}
	return 0;
}

/* Before bpf_loop() (5.17) what the verifier follows step by step: few, and the newest sockets first. */
#ifdef BOUNDED_WALKS
static __always_inline void walk_run(struct walk *walk, __u32 steps)
{
	for (__u32 i = 0; i < WALK_STEPS; i++) {
		if (walk_step(i, walk))
			break;
	}
}
#else
static __always_inline void walk_run(struct walk *walk, __u32 steps)
{
	bpf_loop(steps, walk_step, walk, 0);
}
#endif

static bool tcp_start(struct walk *walk, struct sock *sk)
{
	struct proto___tables *proto = (void *)BPF_CORE_READ(sk, __sk_common.skc_prot);
	struct inet_bind_hashbucket *slot;
	struct net *net = net_of(walk);
	struct inet_hashinfo *table;
	__u32 size, index;

	if (bpf_core_field_exists(struct inet_timewait_death_row, hashinfo))
		table = BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
	else if (bpf_core_field_exists(proto->h.hashinfo))
		table = BPF_CORE_READ(proto, h.hashinfo);
	else
		return false;
	size = BPF_CORE_READ(table, bhash_size);
	slot = BPF_CORE_READ(table, bhash);
	if (!slot || !size)
		return false;
	index = (walk->port + BPF_CORE_READ(net, hash_mix)) & (size - 1);
	slot = (void *)slot + (__u64)index * bpf_core_type_size(struct inet_bind_hashbucket);
	walk->buckets = BPF_CORE_READ(slot, chain.first);
	return true;
}

static bool udp_start(struct walk *walk, struct sock *sk)
{
	struct proto___tables *proto = (void *)BPF_CORE_READ(sk, __sk_common.skc_prot);
	struct net *net = net_of(walk);
	struct udp_table *table;
	struct udp_hslot *slot;
	__u32 index;

	if (bpf_core_field_exists(struct netns_ipv4, udp_table) && sock_protocol(sk) == IPPROTO_UDP)
		table = BPF_CORE_READ(net, ipv4.udp_table);
	else if (bpf_core_field_exists(proto->h.udp_table))
		table = BPF_CORE_READ(proto, h.udp_table);
	else
		return false; /* UDP-Lite went when the field did (7.1) */
	slot = BPF_CORE_READ(table, hash);
	if (!slot)
		return false;
	index = (walk->port + BPF_CORE_READ(net, hash_mix)) & BPF_CORE_READ(table, mask);
	slot = (void *)slot + (__u64)index * bpf_core_type_size(struct udp_hslot);
	walk->sockets = BPF_CORE_READ(slot, head.first);
	return true;
}

static __always_inline void walk_begin(struct walk *walk, struct sock *sk)
{
	walk->caller = sk;
}

/*
 * Global, so that the verifier looks at it once and not from every state of every caller; it takes the
 * socket as a number for that.
 */
int holders_emit(__u64 address, __u16 port, __u16 protocol, __u64 failure_id)
{
	struct walk walk = {.port = port, .failure_id = failure_id};
	struct sock *sk = (struct sock *)address;

	walk_begin(&walk, sk);
	walk.udp = protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
	if (bpf_core_field_exists(struct tcp_sock, is_mptcp) && protocol == IPPROTO_MPTCP)
		walk.caller = BPF_CORE_READ((struct mptcp_sock *)sk, first) ?: sk;
	if (walk.udp ? udp_start(&walk, sk) : tcp_start(&walk, sk))
		walk_run(&walk, WALK_STEPS);
	return 0;
}

/*
 * The same for whoever asks about a port in bucket_dump, by a socket of his own that shows where the tables
 * are. Run by BPF_PROG_TEST_RUN, never attached.
 */
#ifdef BOUNDED_WALKS
SEC("?raw_tp") /* there is no type syscall yet (5.14) */
#else
SEC("?syscall")
#endif
int holder_walk(void *context)
{
	struct walk walk = {.port = bucket_dump.port, .is_cgroup_seen = true};
	struct sock *sk = sock_of_fd(bucket_dump.fd);
	__u16 protocol;

	if (!sk || !walk.port)
		return 0;
	protocol = sock_protocol(sk);
	walk_begin(&walk, sk);
	walk.udp = protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
	if (!(walk.udp ? udp_start(&walk, sk) : tcp_start(&walk, sk)))
		return 0;
	walk_run(&walk, ASKED_STEPS);
	bucket_dump.done = walk.done;
	return 0;
}
