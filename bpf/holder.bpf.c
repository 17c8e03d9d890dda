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

#define WALK_STEPS	65536
#define WALK_SOCKETS	64 /* FAILURE_HOLDERS_MAX */
#define WALK_CONNECTED	16 /* of these: connections, which a busy server has by the thousand */

struct walk {
	/* the next node on each level of the chain, NULL when a level is done */
	struct hlist_node *buckets, *buckets2, *sockets;
	struct net *net;
	struct sock *caller;
	__u64 failure_id;
	__u32 found, connected;
	__u16 port;
	bool udp;
};

#define NODE_ENTRY(node, type, member) ((type *)((char *)(node) - bpf_core_field_offset(type, member)))

static __always_inline void holder_emit(struct walk *walk, struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);
	struct sock_record *record;
	struct wire_socket *event;

	if (state != WIRE_TCP_LISTEN && state != WIRE_TCP_CLOSE && ++walk->connected > WALK_CONNECTED)
		return;
	if (++walk->found > WALK_SOCKETS)
		return;
	event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	if (!event) {
		emit_lost(WIRE_LOST_RING);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->hdr.size = sizeof(*event);
	event->hdr.kind = WIRE_SOCKET;
	event->hdr.boot_ns = bpf_ktime_get_boot_ns();
	event->failure_id = walk->failure_id;
	event->fd = -1;
	sock_fill(&event->sock, sk);
	if (walk->udp)
		event->sock.protocol = sock_protocol(sk);
	sock_fill_more(event, sk);
	sock_fold_subflow(&event->sock, sk);
	record = record_find(event->sock.cookie);
	if (record) {
		event->task = record->owner;
		event->since_boot_ns = record->since_ns;
		/* It has no uid of its own; that of a socket may have changed since (fchown()). */
		if (event->sock.state == WIRE_TCP_TIME_WAIT)
			event->sock.uid = record->sock.uid;
		event->sock.flags |= record->sock.flags & WIRE_ACCEPTED;
	}
	bpf_ringbuf_submit(event, 0);
}

static struct hlist_node *next_of(struct hlist_node *node)
{
	struct hlist_node *next = BPF_CORE_READ(node, next);

	/* UDP's slots end in an odd value in place of NULL on some kernels (hlist_nulls). */
	return (unsigned long)next & 1 ? NULL : next;
}

static bool same_net(struct walk *walk, possible_net_t *of)
{
	struct net *net = NULL;

	bpf_core_read(&net, sizeof(net), &of->net);
	return net == walk->net;
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

static __always_inline void bucket_step(struct walk *walk)
{
	struct inet_bind_bucket *bucket = NODE_ENTRY(walk->buckets, struct inet_bind_bucket, node);

	walk->buckets = next_of(walk->buckets);
	if (BPF_CORE_READ(bucket, port) != walk->port || !same_net(walk, &bucket->ib_net))
		return;
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

	if (walk->found >= WALK_SOCKETS)
		return 1;
	if (walk->sockets)
		socket_step(walk);
	else if (walk->buckets2)
		bucket2_step(walk);
	else if (walk->buckets)
		bucket_step(walk);
	else
		return 1;
	return 0;
}

static bool tcp_start(struct walk *walk, struct sock *sk)
{
	struct proto___tables *proto = (void *)BPF_CORE_READ(sk, __sk_common.skc_prot);
	struct inet_bind_hashbucket *slot;
	struct net *net = walk->net;
	struct inet_hashinfo *table;
	__u32 size, index;

	if (bpf_core_field_exists(struct inet_timewait_death_row, hashinfo))
		table = BPF_CORE_READ(net, ipv4.tcp_death_row.hashinfo);
	else
		table = BPF_CORE_READ(proto, h.hashinfo);
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
	struct net *net = walk->net;
	struct udp_table *table;
	struct udp_hslot *slot;
	__u32 index;

	if (bpf_core_field_exists(struct netns_ipv4, udp_table) && sock_protocol(sk) == IPPROTO_UDP)
		table = BPF_CORE_READ(net, ipv4.udp_table);
	else
		table = BPF_CORE_READ(proto, h.udp_table);
	slot = BPF_CORE_READ(table, hash);
	if (!slot)
		return false;
	index = (walk->port + BPF_CORE_READ(net, hash_mix)) & BPF_CORE_READ(table, mask);
	slot = (void *)slot + (__u64)index * bpf_core_type_size(struct udp_hslot);
	walk->sockets = BPF_CORE_READ(slot, head.first);
	return true;
}

/*
 * Global, so that the verifier looks at it once and not from every state of every caller; it takes the
 * socket as a number for that.
 */
int holders_emit(__u64 address, __u16 port, __u16 protocol, __u64 failure_id)
{
	struct walk walk = {.port = port, .failure_id = failure_id};
	struct sock *sk = (struct sock *)address;

	walk.udp = protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
	walk.caller = sk;
	if (bpf_core_field_exists(struct tcp_sock, is_mptcp) && protocol == IPPROTO_MPTCP)
		walk.caller = BPF_CORE_READ((struct mptcp_sock *)sk, first);
	walk.net = BPF_CORE_READ(sk, __sk_common.skc_net.net);
	if (walk.udp ? udp_start(&walk, sk) : tcp_start(&walk, sk))
		bpf_loop(WALK_STEPS, walk_step, &walk, 0);
	return 0;
}
