/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends the sockets that have a port, read from the kernel's tables: the TCP bind bucket (listeners, bound
 * and inactive sockets, connections, orphans, TIME_WAIT) and the UDP hash slot. A refused call runs this at
 * once; `porttrace why` runs it by BPF_PROG_TEST_RUN. No lock is taken: if a chain changes meanwhile, the
 * walk may end early, but every socket sent is correct. Walks are rare, so all reads use
 * bpf_probe_read_kernel().
 */
#include "porttrace.bpf.h"
#include "compat.bpf.h"
#include "ring.bpf.h"

extern struct ring_map ring SEC(".maps");

struct bucket_dump bucket_dump = {};

/* A walk takes at most WALK_PARTS * PART_STEPS steps, one per socket or bucket. */
#define WALK_PARTS	2048
#define PART_STEPS	32
#define DUMP_STEPS	(8 * 1024 * 1024) /* BPF_MAX_LOOPS */
#define WALK_SOCKETS	64   /* sent after a refusal: FAILURE_HOLDERS_MAX */
#define WALK_CONNECTED	16   /* of these: connections; a busy server has thousands */
#define DUMP_SOCKETS	8192 /* sent to `porttrace why`: the ring has space for these */
#define HELD_STEPS	64   /* entries of the hash chain that port_is_held() looks at */
#define DUMP_CONNECTED	1024 /* of these: connections of a process, which a scan of descriptors finds too */

struct walk {
	/* the next node on each level of the chain, NULL when a level is done */
	struct hlist_node *buckets, *buckets2, *sockets;
	struct sock *caller; /* a socket of the network namespace that is walked */
	__u64 failure_id;
	/* Keep the walk this small: kernels before 6.x round each stack frame up to 32 bytes, and all frames
	 * of a call chain together have 512 bytes. */
	__u16 port;
	__u8 connected, sent;
	bool udp, done, is_dump; /* is_dump: the result is for bucket_dump; else for a refusal */
};

/* The walk of each thread that runs one in parts (walk_in_parts()). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct walk);
} walks SEC(".maps");

#define NODE_ENTRY(node, type, member) ((type *)((char *)(node) - bpf_core_field_offset(type, member)))

static bool is_connected(__u8 state)
{
	return state != WIRE_TCP_LISTEN && state != WIRE_TCP_CLOSE;
}

static __always_inline bool refusal_limit_reached(struct walk *walk, __u8 state)
{
	if (is_connected(state)) {
		if (walk->connected >= WALK_CONNECTED)
			return true;
		walk->connected++;
	}
	return ++walk->sent > WALK_SOCKETS;
}

/*
 * Connections without a process are always sent, because no other scan finds them. The counters are in a map,
 * because the verifier does not track map values.
 */
static __always_inline bool dump_limit_reached(struct sock *sk, __u8 state)
{
	bucket_dump.found++;
	if (is_connected(state) && state != WIRE_TCP_TIME_WAIT && BPF_CORE_READ(sk, sk_socket, file)) {
		if (bucket_dump.connected >= DUMP_CONNECTED)
			return true;
		bucket_dump.connected++;
	}
	if (bucket_dump.sent >= DUMP_SOCKETS)
		return true;
	bucket_dump.sent++;
	return false;
}

/* Global, as is holders_send(). udp: the socket is from the UDP table. Returns 0. */
__noinline int holder_send(__u64 address, __u64 failure_id, __u32 udp)
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
	event->hdr.purpose = failure_id ? WIRE_PURPOSE_HOLDER : WIRE_PURPOSE_SNAPSHOT;
	event->hdr.boot_ns = bpf_ktime_get_boot_ns();
	event->failure_id = failure_id;
	event->fd = -1;
	sock_fill(&event->sock, sk);
	if (udp)
		event->sock.protocol = sock_protocol(sk);
	sock_fill_details(event, sk);
	sock_mark_accepted(&event->sock, sk);
	event->sock.flags |= sock_bucket_flags(&event->sock, sk);
	sock_fold_subflow(&event->sock, sk);
	record = record_find(event->sock.cookie);
	/* A process created a socket of the kernel, but no process holds it. */
	if (record && !(event->sock.flags & WIRE_KERNEL_OWNED)) {
		event->task = record->owner;
		event->since_boot_ns = record->since_ns;
		/* A TIME_WAIT has no uid. The uid of a socket may have changed since it took its port
		 * (fchown()). */
		if (event->sock.state == WIRE_TCP_TIME_WAIT)
			event->sock.uid = record->sock.uid;
		event->sock.flags |= record->sock.flags & WIRE_ACCEPTED;
	}
	bpf_ringbuf_submit(event, 0);
	return 0;
}

static __always_inline void holder_send_limited(struct walk *walk, struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	if (walk->is_dump ? !dump_limit_reached(sk, state) : !refusal_limit_reached(walk, state))
		holder_send((__u64)sk, walk->failure_id, walk->udp);
}

static struct hlist_node *next_of(struct hlist_node *node)
{
	struct hlist_node *next = BPF_CORE_READ(node, next);

	/* Some kernels end a UDP slot with an odd value instead of NULL (hlist_nulls). */
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

static bool same_net(struct walk *walk, possible_net_t *net_field)
{
	struct net *net = NULL;

	bpf_core_read(&net, sizeof(net), &net_field->net);
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
		holder_send_limited(walk, sk);
}

/* The fields by which inet_csk_get_port() in net/ipv4/inet_connection_sock.c accepts a socket without
 * comparing it with the others on the port. */
static __always_inline void bucket_dump_fill(struct inet_bind_bucket *bucket)
{
	struct bucket_dump *dump = &bucket_dump;

	dump->has_bucket = 1;
	dump->fastreuse = BPF_CORE_READ(bucket, fastreuse);
	dump->fastreuseport = BPF_CORE_READ(bucket, fastreuseport);
	dump->fast_family = BPF_CORE_READ(bucket, fast_sk_family);
	dump->fast_uid = BPF_CORE_READ(bucket, fastuid.val);
	dump->fast_v6only = BPF_CORE_READ(bucket, fast_ipv6_only);
	if (dump->fast_family == AF_INET6) {
		struct in6_addr addr = BPF_CORE_READ(bucket, fast_v6_rcv_saddr);

		for (int i = 0; i < 4; i++)
			dump->fast_addr[i] = addr.in6_u.u6_addr32[i];
	} else {
		dump->fast_addr[2] = bpf_htonl(0xffff);
		dump->fast_addr[3] = BPF_CORE_READ(bucket, fast_rcv_saddr);
	}
}

/* Not inlined, so that its stack frame is released before holder_send(): all frames of a call chain together
 * have 512 bytes. */
static __noinline void bucket_step(struct walk *walk)
{
	struct inet_bind_bucket *bucket = NODE_ENTRY(walk->buckets, struct inet_bind_bucket, node);

	__u32 l3mdev = BPF_CORE_READ(bucket, l3mdev);

	walk->buckets = next_of(walk->buckets);
	if (BPF_CORE_READ(bucket, port) != walk->port || !same_net(walk, &bucket->ib_net))
		return;
	/* Each VRF has its own ports (inet_bind_bucket_match() in net/ipv4/inet_hashtables.c); a socket
	 * without a device is in no VRF. After a refusal only the device is known, not its VRF. */
	if (walk->is_dump ? l3mdev != bucket_dump.l3mdev : l3mdev && !device_of(walk))
		return;
	if (walk->is_dump)
		bucket_dump_fill(bucket);
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

/* bhash2 in struct inet_bind_bucket and bhash_node came in the same release (6.8). The verifier must see that
 * older kernels never reach bucket2_step(). Returns 1 when the walk is done. */
static __always_inline long step(struct walk *walk)
{
	if (!walk->is_dump && walk->sent > WALK_SOCKETS)
		return 1;
	if (walk->sockets)
		socket_step(walk);
	else if (bpf_core_field_exists(struct inet_bind2_bucket, bhash_node) && walk->buckets2)
		bucket2_step(walk);
	else if (walk->buckets)
		bucket_step(walk);
	else {
		walk->done = true;
		return 1;
	}
	return 0;
}

static long walk_step(__u32 index, void *context)
{
	return step(context);
}

/*
 * Kernels before 5.17 have no bpf_loop(), and verify a loop iteration by iteration. So the walk is in a map,
 * whose values the verifier does not track, and each part of it is a global function, which the verifier
 * checks once. Returns 1 when the walk is done.
 */
__noinline int walk_part(__u64 id)
{
	struct walk *walk = bpf_map_lookup_elem(&walks, &id);

	if (!walk)
		return 1;
	for (__u32 i = 0; i < PART_STEPS; i++) {
		if (step(walk))
			return 1;
	}
	return 0;
}

/* Copies *walk into the map. In place where this thread has walked before: an update takes as long as ten reads. */
static __always_inline void walk_store(const struct walk *walk, __u64 id)
{
	struct walk *stored = bpf_map_lookup_elem(&walks, &id);

	if (stored)
		*stored = *walk;
	else
		bpf_map_update_elem(&walks, &id, walk, BPF_ANY);
}

/* Continues on a copy in the map. */
static __always_inline void walk_in_parts(const struct walk *walk, __u64 id)
{
	walk_store(walk, id);
	for (__u32 i = 0; i < WALK_PARTS; i++) {
		if (walk_part(id))
			break;
	}
}

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
		return false; /* 7.1 removed UDP-Lite and this field */
	slot = BPF_CORE_READ(table, hash);
	if (!slot)
		return false;
	index = (walk->port + BPF_CORE_READ(net, hash_mix)) & BPF_CORE_READ(table, mask);
	slot = (void *)slot + (__u64)index * bpf_core_type_size(struct udp_hslot);
	walk->sockets = BPF_CORE_READ(slot, head.first);
	return true;
}

/* For a refused call. Kernels with bpf_rdonly_cast() have bpf_loop(), which needs one stack frame less. */
static __always_inline void walk_run(struct walk *walk)
{
#ifdef PROBE_READ
	walk_in_parts(walk, bpf_get_current_pid_tgid());
#else
	bpf_loop(WALK_PARTS * PART_STEPS, walk_step, walk, 0);
#endif
}

/*
 * Global, so that the verifier checks it once, not again from every state of every caller. The socket is
 * passed as a number, because kernels before 5.12 refuse pointers as arguments of a global function.
 */
int holders_send(__u64 address, __u16 port, __u16 protocol, __u64 failure_id)
{
	struct walk walk = {.port = port, .failure_id = failure_id};
	struct sock *sk = (struct sock *)address;

	walk.caller = sk;
	walk.udp = protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
	if (bpf_core_field_exists(struct tcp_sock, is_mptcp) && protocol == IPPROTO_MPTCP)
		walk.caller = BPF_CORE_READ((struct mptcp_sock *)sk, first) ?: sk;
	if (walk.udp ? udp_start(&walk, sk) : tcp_start(&walk, sk))
		walk_run(&walk);
	return 0;
}

enum { HELD_SEARCH, HELD_NOT, HELD_BY_OTHERS };

/* The bhash bucket of a port exists until its last socket has left. */
static __always_inline int tcp_held_step(struct walk *walk)
{
	struct inet_bind_bucket *bucket = NODE_ENTRY(walk->buckets, struct inet_bind_bucket, node);
	struct inet_connection_sock *own = (struct inet_connection_sock *)walk->caller;
	struct hlist_node *first;

	if (!walk->buckets)
		return HELD_NOT;
	walk->buckets = next_of(walk->buckets);
	if (BPF_CORE_READ(bucket, port) != walk->port || !same_net(walk, &bucket->ib_net))
		return HELD_SEARCH;
	if (bucket != BPF_CORE_READ(own, icsk_bind_hash))
		return HELD_BY_OTHERS;
	if (!bpf_core_field_exists(bucket->bhash2)) {
		first = BPF_CORE_READ((struct inet_bind_bucket___owners *)bucket, owners.first);
	} else {
		first = BPF_CORE_READ(bucket, bhash2.first);
		if (first && !next_of(first) && bpf_core_field_exists(struct inet_bind2_bucket, bhash_node))
			first = BPF_CORE_READ(NODE_ENTRY(first, struct inet_bind2_bucket, bhash_node), owners.first);
	}
	return first && next_of(first) ? HELD_BY_OTHERS : HELD_NOT;
}

static __always_inline int udp_held_step(struct walk *walk)
{
	struct sock *sk = (struct sock *)NODE_ENTRY(walk->sockets, struct sock_common, skc_node);

	if (!walk->sockets)
		return HELD_NOT;
	walk->sockets = next_of(walk->sockets);
	return sk != walk->caller && sock_port(sk) == walk->port && same_net(walk, &sk->__sk_common.skc_net) ?
		       HELD_BY_OTHERS :
		       HELD_SEARCH;
}

/* Global and with its state in a map, as walk_part(). */
__noinline int held_step(__u64 id)
{
	struct walk *walk = bpf_map_lookup_elem(&walks, &id);

	if (!walk)
		return HELD_NOT;
	return walk->udp ? udp_held_step(walk) : tcp_held_step(walk);
}

int port_is_held(__u64 address, __u16 port, __u16 protocol)
{
	struct sock *sk = (struct sock *)address;
	struct walk walk = {.port = port, .caller = sk};
	/* This may run in a softirq that interrupts a walk of the same thread. */
	__u64 id = bpf_get_current_pid_tgid() | 1ULL << 63;
	int found = HELD_SEARCH;

	walk.udp = protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
	if (!walk.udp && protocol != IPPROTO_TCP)
		return 0; /* the subflows of an MPTCP socket end after it */
	if (!(walk.udp ? udp_start(&walk, sk) : tcp_start(&walk, sk)))
		return 0;
	walk_store(&walk, id);
	for (__u32 i = 0; i < HELD_STEPS && found == HELD_SEARCH; i++)
		found = held_step(id);
	return found == HELD_BY_OTHERS;
}

/* bucket_dump has the port and a socket of the caller. Returns false if there is nothing to walk. */
static __always_inline bool dump_begin(struct walk *walk)
{
	struct sock *sk = sock_of_fd(bucket_dump.fd);
	__u16 protocol;

	walk->port = bucket_dump.port;
	walk->is_dump = true;
	if (!sk || !walk->port)
		return false;
	protocol = sock_protocol(sk);
	walk->caller = sk;
	walk->udp = protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
	return walk->udp ? udp_start(walk, sk) : tcp_start(walk, sk);
}

/* Run by BPF_PROG_TEST_RUN, never attached. The loader (src/probe/kernel.c) loads one of the two programs. */
SEC("?syscall")
int holder_walk(void *context)
{
	struct walk walk = {};

	if (dump_begin(&walk))
		bpf_loop(DUMP_STEPS, walk_step, &walk, 0);
	bucket_dump.done = walk.done;
	return 0;
}

/* For kernels before bpf_loop() (5.17) or programs of type syscall (5.14). */
SEC("?raw_tp")
int holder_walk_bounded(void *context)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct walk walk = {}, *walked;

	if (!dump_begin(&walk))
		return 0;
	walk_in_parts(&walk, id);
	walked = bpf_map_lookup_elem(&walks, &id);
	bucket_dump.done = walked && walked->done;
	return 0;
}
