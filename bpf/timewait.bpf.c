/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts and reports the begin and end of TIME_WAITs: handlers for backends with hooks on inet_twsk_*(), and
 * for the others a search for the TIME_WAIT that an ended connection left. A TIME_WAIT belongs to no process;
 * the record of the connection, which has the same cookie, gives its owner.
 */
#include "porttrace.bpf.h"
#include "read.bpf.h"

/* Set by user space if hooks call the handlers below. Then the end of a connection does not count TIME_WAITs. */
const volatile bool timewait_hooked = false;

/* Whether TcpExt TW counts TIME_WAITs when they begin (5.18), and not when their time is over. tw_refcount
 * came with the same release. Set at the first TIME_WAIT, or end of a connection that may have left one. */
bool timewait_begins_counted = false;

/* TIME_WAITs that the hook missed and the end of their connection reported. */
__u64 timewait_missed_recovered = 0;

static __always_inline void detect_counter(void)
{
	if (bpf_core_field_exists(((struct net *)0)->ipv4.tcp_death_row.tw_refcount))
		timewait_begins_counted = true;
}

static bool is_ephemeral(const struct wire_sock *sock)
{
	return sock->flags & WIRE_PORT_EPHEMERAL && !(sock->flags & WIRE_ACCEPTED) && sock->local_port;
}

static bool has_task_filter(void)
{
	return settings.pids.count || settings.uids.count || settings.comms.count || settings.cgroup_id;
}

/* record NULL: the owner is not known. */
static __noinline void timewait_emit(const struct sock_record *record, const struct wire_sock *sock, __u32 action,
				     __u32 substate)
{
	struct wire_timewait event = {.action = action, .substate = substate};

	if (!filter_kind(WIRE_TIMEWAIT, 0) || !filter_sock(sock))
		return;
	if (record ? !(record->flags & RECORD_WANTED) : has_task_filter())
		return;
	event.sock = *sock;
	event.sock.state = WIRE_TCP_TIME_WAIT;
	if (record)
		event.task = record->owner;
	emit(&event, WIRE_TIMEWAIT, sizeof(event));
}

/* Counted even without a record, which may have been evicted. */
static void timewait_count(const struct wire_sock *sock, const struct wire_task *owner)
{
	churn_count(sock, owner, CHURN_TIMEWAIT);
	if (is_ephemeral(sock))
		churn_count(sock, NULL, CHURN_TIMEWAIT_EPHEMERAL);
}

__hidden void timewait_begin(struct sock_record *record, __u32 substate)
{
	record->flags |= RECORD_TIMEWAIT;
	timewait_count(&record->sock, &record->owner);
	/* Without an owner no event is sent. */
	if (record->owner.pid)
		timewait_emit(record, &record->sock, WIRE_TIMEWAIT_ENTER, substate);
}

/* Fills in a connection without a record. */
static bool recordless_fill(struct wire_sock *out, struct sock *sk, __u64 cookie)
{
	sock_fill(out, sk);
	out->cookie = cookie;
	if (!(out->flags & WIRE_CONNECT_BIND) && churn_had_listener(out->netns, out->local_port)) {
		out->flags |= WIRE_ACCEPTED;
		out->flags &= ~WIRE_PORT_EPHEMERAL;
	}
	return out->local_port && cookie;
}

__hidden void timewait_begin_ownerless(const struct wire_sock *sock)
{
	const struct wire_task no_task = {};

	record_store(sock, &no_task, 0, 0, RECORD_TIMEWAIT);
	timewait_count(sock, NULL);
}

/* An inet_timewait_sock replaces sk, which still has its port. substate: WIRE_TCP_FIN_WAIT2 if the peer has
 * not closed yet, else WIRE_TCP_TIME_WAIT. */
__hidden void on_timewait_enter(struct sock *sk, __u32 substate)
{
	__u64 cookie = sock_cookie(sock_of_user(sk)), own = sock_cookie(sk);
	struct sock_record *record = record_find(cookie);
	struct wire_sock sock = {};

	detect_counter();
	if (record)
		timewait_begin(record, substate);
	else if (recordless_fill(&sock, sk, cookie))
		timewait_begin_ownerless(&sock);
	/* A subflow of MPTCP leaves a TIME_WAIT that has its own cookie, not that of the MPTCP socket. */
	if (record && own != cookie) {
		sock = record->sock;
		sock.cookie = own;
		record_store(&sock, &record->owner, 0, record->since_ns,
			     record->flags | RECORD_CLOSED);
	}
}

static bool bucket_made_by_connect(struct inet_timewait_sock *tw)
{
	struct inet_bind_bucket *bucket = TYPED(struct inet_bind_bucket, READ(tw, tw_tb));

	return bucket && READ(bucket, fastreuse) < 0 && READ(bucket, fastreuseport) < 0;
}

/* The TIME_WAIT ends, and releases its port unless another socket has it too. */
__hidden void on_timewait_end(struct sock *untyped, __u32 action)
{
	struct inet_timewait_sock *tw = TYPED(struct inet_timewait_sock, untyped);
	__u64 cookie = READ(tw, __tw_common.skc_cookie.counter);
	struct sock_record *record = record_find(cookie);
	struct wire_sock sock = {};
	bool was_ephemeral;
	__u32 counter;

	switch (action) {
	case WIRE_TIMEWAIT_EXPIRE:
		counter = CHURN_TIMEWAIT_EXPIRED;
		break;
	case WIRE_TIMEWAIT_REUSE:
		counter = CHURN_TIMEWAIT_REUSED;
		break;
	default:
		counter = CHURN_TIMEWAIT_KILLED;
	}
	if (record) {
		sock = record->sock;
		was_ephemeral = is_ephemeral(&sock);
	} else {
		sock_fill(&sock, untyped);
		was_ephemeral = bucket_made_by_connect(tw);
	}
	churn_count(&sock, record ? &record->owner : NULL, counter);
	if (was_ephemeral)
		churn_count(&sock, NULL, CHURN_TIMEWAIT_RELEASED);
	timewait_emit(record, &sock, action, READ(tw, tw_substate));
	if (!record)
		return;
	/* After shutdown() a process may still have the closed socket of the connection. */
	if (record->flags & RECORD_CLOSED)
		record_drop(cookie);
	else
		record->flags &= ~RECORD_TIMEWAIT;
}

/* tcp_time_wait() got no inet_timewait_sock: the connection ends without a TIME_WAIT. */
__hidden void on_timewait_overflow(struct sock *sk)
{
	__u64 cookie = sock_cookie(sock_of_user(sk));
	struct sock_record *record = record_find(cookie);
	struct wire_sock sock = {};

	if (record)
		sock = record->sock;
	else if (!recordless_fill(&sock, sk, cookie))
		return;
	churn_count(&sock, record ? &record->owner : NULL, CHURN_TIMEWAIT_OVERFLOW);
	timewait_emit(record, &sock, WIRE_TIMEWAIT_OVERFLOW, 0);
}

#define CHAIN_MAX 24

/* Returns the substate of the TIME_WAIT of this connection; 0: it has none. Global, so that the verifier
 * checks it once; such a function takes numbers on all kernels. */
int timewait_find_in_chain(__u64 netns, __u32 hash, __u64 cookie, __u16 dport)
{
	struct net *net = TYPED(struct net, netns);
	struct inet_hashinfo *table =
		TYPED(struct inet_hashinfo, READ(net, ipv4.tcp_death_row.hashinfo));
	__u64 index = hash & READ(table, ehash_mask);
	struct inet_ehash_bucket *bucket =
		TYPED(struct inet_ehash_bucket, (char *)READ(table, ehash) +
						     index * bpf_core_type_size(struct inet_ehash_bucket));
	__u64 node = 0; /* an odd value ends the chain and holds the number of its slot (hlist_nulls) */

	bpf_core_read(&node, sizeof(node), &bucket->chain.first);
	for (__u32 i = 0; i < CHAIN_MAX && node; i++) {
		if (node & 1) {
			if (node >> 1 == index)
				break;
			/* The node was freed and reused in another chain during the walk: restart. */
			bpf_core_read(&node, sizeof(node), &bucket->chain.first);
			continue;
		}
		struct sock *sk = TYPED(struct sock, node - bpf_core_field_offset(struct sock_common,
										  skc_nulls_node));

		if (READ(sk, __sk_common.skc_hash) == hash && READ(sk, __sk_common.skc_dport) == dport &&
		    READ(sk, __sk_common.skc_cookie.counter) == cookie &&
		    READ(sk, __sk_common.skc_state) == WIRE_TCP_TIME_WAIT)
			return READ(TYPED(struct inet_timewait_sock, sk), tw_substate);
		if (bpf_core_read(&node, sizeof(node), &((struct hlist_nulls_node *)node)->next))
			break;
	}
	return 0;
}

/*
 * Whether sk, which has just changed to TCP_CLOSE, left a TIME_WAIT. No tracepoint reports that, and its
 * previous state does not prove it (tcp_max_tw_buckets, TCP_LINGER2). tcp_time_wait() in
 * net/ipv4/tcp_minisocks.c adds the TIME_WAIT to the head of the same ehash chain (inet_twsk_hashdance())
 * before it closes sk (tcp_done()), so the search finds it there.
 */
__hidden __u32 timewait_find(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	__u64 net = 0;

	detect_counter();
	if (bpf_core_read(&net, sizeof(net), &untyped->__sk_common.skc_net.net))
		return 0;
	return timewait_find_in_chain(net, READ(sk, __sk_common.skc_hash),
				      READ(sk, __sk_common.skc_cookie.counter), READ(sk, __sk_common.skc_dport));
}

/* Whether the namespace has reached tcp_max_tw_buckets, so that the connection left no TIME_WAIT. */
__hidden bool timewait_is_full(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	struct net *net = TYPED(struct net, READ(sk, __sk_common.skc_net.net));
	int live = 0;

	if (!bpf_core_field_exists(net->ipv4.tcp_death_row.tw_refcount))
		return false;
	live = READ(net, ipv4.tcp_death_row.tw_refcount.refs.counter) - 1;
	return live >= READ(net, ipv4.tcp_death_row.sysctl_max_tw_buckets);
}
