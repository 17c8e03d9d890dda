/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts the ports of one namespace in the kernel's tables: per destination, per local address, and the ports
 * that connect() skips because bind() created their bucket. Iterators run in the network namespace of their
 * reader. Only counts are copied to user space, and an event for each listener on a port of the range that
 * bind() selected.
 */
#include "porttrace.bpf.h"
#include "compat.bpf.h"
#include "read.bpf.h"

#include "porttrace/port_usage.h"

struct port_usage port_usage = {};
__u8 port_usage_ports[PORT_USAGE_PORTS] = {};

/* Emptied by its reader, so that it uses memory only during a count. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct port_usage_key);
	__type(value, struct port_usage_pool);
} port_usage_pools SEC(".maps");

SEC("?iter/bpf_map_elem")
int port_usage_pools_read(struct bpf_iter__bpf_map_elem *ctx)
{
	return element_write(ctx, sizeof(struct port_usage_key), sizeof(struct port_usage_pool));
}

/* Writes nothing, so that one read() covers the map: an iterator that continues in a second read() skips the
 * elements behind a deleted one. */
SEC("?iter/bpf_map_elem")
int port_usage_pools_clear(struct bpf_iter__bpf_map_elem *ctx)
{
	struct port_usage_key *current = ctx->key, key;

	if (!current)
		return 0;
	key = *current;
	bpf_map_delete_elem(&port_usage_pools, &key);
	return 0;
}

static const struct port_usage_pool empty_pool = {};

static struct port_usage_pool *pool_of(const struct port_usage_key *key)
{
	bool added;
	struct port_usage_pool *pool = map_entry(&port_usage_pools, key, &empty_pool, &added);

	if (!pool)
		port_usage.pools_missed++;
	return pool;
}

static bool in_range(__u16 port)
{
	return port >= port_usage.low && port <= port_usage.high;
}

static __always_inline void mark(__u16 port, __u8 bits)
{
	port_usage_ports[port] |= bits;
}

static __always_inline void timewait_add(struct port_usage_pool *pool, struct inet_timewait_sock *tw)
{
	__u64 index = timewait_left_ms(tw) / WIRE_POOL_STEP_MS;

	barrier_var(index); /* so that the verifier tracks the value that is compared */
	if (index >= WIRE_POOL_ENDS)
		index = WIRE_POOL_ENDS - 1;
	pool->timewait++;
	pool->ends[index]++;
}

/* connect() first tries the ports that have the parity of the lower end of the range (__inet_hash_connect()
 * in net/ipv4/inet_hashtables.c). */
static __always_inline bool is_first_parity(__u16 port)
{
	return !((port - port_usage.low) & 1);
}

static __always_inline void addr_map_ipv4(__u8 *out, __u32 addr)
{
	__u32 *words = (__u32 *)out;

	words[2] = bpf_htonl(0xffff);
	words[3] = addr;
}

static __always_inline void tuple_add(struct sock *sk, __u16 port, bool timewait)
{
	struct port_usage_key key = {.protocol = IPPROTO_TCP};
	struct port_usage_pool *pool;
	__u32 narrowed;

	/* sock_fill() would be too slow: this runs for each of up to 100,000 sockets. */
	key.remote_port = bpf_ntohs(READ(sk, __sk_common.skc_dport));
	if (READ(sk, __sk_common.skc_family) == AF_INET) {
		addr_map_ipv4(key.local_addr, READ(sk, __sk_common.skc_rcv_saddr));
		addr_map_ipv4(key.remote_addr, READ(sk, __sk_common.skc_daddr));
	} else {
		struct in6_addr local = READ(sk, __sk_common.skc_v6_rcv_saddr);
		struct in6_addr remote = READ(sk, __sk_common.skc_v6_daddr);

		__builtin_memcpy(key.local_addr, &local, sizeof(local));
		__builtin_memcpy(key.remote_addr, &remote, sizeof(remote));
	}
	pool = pool_of(&key);
	if (!pool)
		return;
	pool->in_use++;
	if (is_first_parity(port))
		pool->first_parity++;
	if (timewait) {
		timewait_add(pool, TYPED(struct inet_timewait_sock, sk));
		return;
	}
	narrowed = sock_range(sk);
	if (narrowed) {
		pool->range_low = narrowed;
		pool->range_high = narrowed >> 16;
	}
}

static __always_inline bool bucket_made_by_connect(struct inet_bind_bucket *untyped)
{
	struct inet_bind_bucket *bucket = TYPED(struct inet_bind_bucket, untyped);

	return READ(bucket, fastreuse) < 0 && READ(bucket, fastreuseport) < 0;
}

/* Whether the kernel selected the port of a TIME_WAIT: it did if connect() created the bucket. Otherwise the
 * record of the connection says so. Without a record the port counts as ephemeral unless it had a
 * listener. */
static __always_inline bool timewait_is_ephemeral(struct sock *sk, __u16 port, bool connects)
{
	struct sock_record *record;

	if (connects)
		return true;
	if (!in_range(port) || churn_had_listener(READ(sk, __sk_common.skc_net.net, ns.inum), port))
		return false;
	/* Last, because a lookup keeps the record in its LRU map, and another record is evicted instead. */
	record = record_find(READ(sk, __sk_common.skc_cookie.counter));
	return !record || (record->sock.flags & WIRE_PORT_EPHEMERAL && !(record->sock.flags & WIRE_ACCEPTED));
}

static void listener_write(struct seq_file *seq, struct sock *sk)
{
	struct wire_socket event = {.fd = -1};
	struct sock_record *record;

	event.hdr.size = sizeof(event);
	event.hdr.kind = WIRE_SOCKET;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	sock_fill(&event.sock, sk);
	if (event.sock.flags & WIRE_PORT_EPHEMERAL || !sock_fold_subflow(&event.sock, sk))
		return;
	record = record_find(event.sock.cookie);
	if (record)
		event.task = record->owner;
	bpf_seq_write(seq, &event, sizeof(event));
}

static __always_inline void socket_count(struct seq_file *seq, struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	__u8 state = READ(sk, __sk_common.skc_state);
	struct inet_bind_bucket *bucket;
	__u16 port = sock_port(sk);
	bool connects;

	if (state == WIRE_TCP_NEW_SYN_RECV)
		return;
	if (state == WIRE_TCP_LISTEN) {
		churn_add_listener(READ(sk, __sk_common.skc_net.net, ns.inum), port);
		if (in_range(port))
			listener_write(seq, untyped);
		return;
	}
	if (state == WIRE_TCP_TIME_WAIT)
		bucket = READ(TYPED(struct inet_timewait_sock, sk), tw_tb);
	else
		bucket = READ(TYPED(struct inet_connection_sock, sk), icsk_bind_hash);
	if (!bucket)
		return;
	connects = bucket_made_by_connect(bucket);
	if (state == WIRE_TCP_TIME_WAIT && timewait_is_ephemeral(sk, port, connects))
		port_usage.timewait_ephemeral++;
	if (connects && in_range(port))
		tuple_add(sk, port, state == WIRE_TCP_TIME_WAIT);
}

/* The next node on each level of the table; 0 at the end of a level. */
struct bucket_walk {
	__u64 node, node2;
	__u64 net;
	__u64 slots;
	__u32 mask, mix;
	__u32 port;
};

/* Not on the stack: the verifier does not track map values, so it verifies one step instead of all. */
static struct bucket_walk walk;

#define WALK_STEPS    (1U << 20)
#define BOUNDED_STEPS 64 /* steps in one run of port_usage_buckets_bounded */

static __always_inline __u64 next_of(__u64 node)
{
	__u64 next = 0;

	bpf_core_read(&next, sizeof(next), &((struct hlist_node *)node)->next);
	return next;
}

/* inet_bind2_bucket.v6_rcv_saddr holds IPv4 addresses too since "tcp: Save v4 address as v4-mapped-v6 in
 * inet_bind2_bucket.v6_rcv_saddr" (6.9). Addresses are counted on such kernels only. */
#define HAS_BUCKET_ADDRESSES                                                                             \
	(bpf_core_field_exists(struct inet_bind2_bucket, addr_type) &&                                  \
	 bpf_core_field_exists(((struct inet_bind_bucket *)0)->bhash2))

/* Counts one address on which the port is bound. */
static __always_inline void address_step(void)
{
	struct inet_bind2_bucket *bucket = TYPED(struct inet_bind2_bucket,
		walk.node2 - bpf_core_field_offset(struct inet_bind2_bucket, bhash_node));
	struct port_usage_key key = {.protocol = IPPROTO_TCP};
	struct in6_addr address = READ(bucket, v6_rcv_saddr);
	struct port_usage_pool *pool;

	walk.node2 = next_of(walk.node2);
	__builtin_memcpy(key.local_addr, &address, sizeof(key.local_addr));
	pool = pool_of(&key);
	if (pool)
		pool->in_use++;
}

static __always_inline void bucket_step(void)
{
	struct inet_bind_bucket *bucket = TYPED(struct inet_bind_bucket,
		walk.node - bpf_core_field_offset(struct inet_bind_bucket, node));
	__u64 net = 0;

	walk.node = next_of(walk.node);
	bpf_core_read(&net, sizeof(net), &bucket->ib_net.net);
	if (READ(bucket, port) != walk.port || net != walk.net)
		return;
	mark(walk.port, bucket_made_by_connect(bucket) ? PORT_USAGE_TCP : PORT_USAGE_TCP | PORT_USAGE_BOUND);
	if (HAS_BUCKET_ADDRESSES)
		bpf_core_read(&walk.node2, sizeof(walk.node2), &bucket->bhash2.first);
}

static __always_inline void slot_step(void)
{
	__u64 slot;

	walk.port++;
	slot = walk.slots + (__u64)((walk.port + walk.mix) & walk.mask) *
				     bpf_core_type_size(struct inet_bind_hashbucket);
	walk.node = 0;
	bpf_core_read(&walk.node, sizeof(walk.node), &((struct inet_bind_hashbucket *)slot)->chain.first);
}

/* No loop here: the verifier would follow it from every state. */
static long walk_step(__u32 index, void *context)
{
	if (HAS_BUCKET_ADDRESSES && walk.node2) {
		address_step();
		return 0;
	}
	if (walk.node) {
		bucket_step();
	} else if (walk.port < port_usage.high) {
		slot_step();
	} else {
		port_usage.walked = 1;
		return 1;
	}
	return 0;
}

/* Finds the table of the caller's namespace. Returns false if there is none. */
static __always_inline bool walk_begin(void)
{
	struct task_struct *task = TYPED(struct task_struct, bpf_get_current_task());
	struct net *net = TYPED(struct net, READ(task, nsproxy, net_ns));
	struct inet_hashinfo *table =
		TYPED(struct inet_hashinfo, READ(net, ipv4.tcp_death_row.hashinfo));
	struct nsproxy *proxy = NULL;

	walk.node = walk.node2 = 0;
	walk.port = port_usage.next_port - 1U;
	bpf_core_read(&proxy, sizeof(proxy), &task->nsproxy);
	bpf_core_read(&walk.net, sizeof(walk.net), &proxy->net_ns);
	bpf_core_read(&walk.slots, sizeof(walk.slots), &table->bhash);
	walk.mask = READ(table, bhash_size) - 1;
	walk.mix = READ(net, hash_mix);
	return walk.slots;
}

/*
 * Walks the bind buckets of the caller's namespace. Run by BPF_PROG_TEST_RUN, never attached; the loader
 * (src/probe/kernel.c) loads one of the two programs. No lock is taken: if a chain changes meanwhile, its
 * walk ends early, and buckets that are created or destroyed meanwhile may be missed.
 */
SEC("?syscall")
int port_usage_buckets(void *context)
{
	if (walk_begin())
		bpf_loop(WALK_STEPS, walk_step, NULL, 0);
	return 0;
}

/*
 * For kernels before bpf_loop() (5.17) or programs of type syscall (5.14): each run walks a part. The next
 * run restarts at the port where this one ended. If that was the first port of the run, its chain is too long
 * for one run, and the rest of the chain is skipped.
 */
SEC("?raw_tp")
int port_usage_buckets_bounded(void *context)
{
	if (!walk_begin())
		return 0;
	for (__u32 i = 0; i < BOUNDED_STEPS; i++) {
		if (walk_step(i, NULL))
			break;
	}
	port_usage.next_port = walk.port > port_usage.next_port ? walk.port : port_usage.next_port + 1;
	return 0;
}

SEC("?iter/tcp")
int port_usage_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;

	if (common)
		socket_count(ctx->meta->seq, (struct sock *)common);
	return 0;
}

SEC("?iter/udp")
int port_usage_udp(struct bpf_iter__udp *ctx)
{
	struct port_usage_key key = {.protocol = IPPROTO_UDP};
	struct sock *sk = (struct sock *)ctx->udp_sk;
	struct port_usage_pool *pool;
	struct wire_sock sock = {};

	if (!sk)
		return 0;
	sock_fill(&sock, sk);
	if (!in_range(sock.local_port))
		return 0;
	/* Sockets that share a port count once. */
	if (port_usage_ports[sock.local_port] & PORT_USAGE_UDP && sock.flags & (WIRE_REUSEPORT | WIRE_REUSEADDR))
		return 0;
	mark(sock.local_port, PORT_USAGE_UDP);
	__builtin_memcpy(key.local_addr, sock.local_addr, sizeof(key.local_addr));
	pool = pool_of(&key);
	if (pool)
		pool->in_use++;
	return 0;
}
