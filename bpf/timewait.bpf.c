/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a TIME_WAIT: the handlers of backends that have hooks on inet_twsk_*(), and for the others
 * the look that tells whether a connection that has just ended left one. It has no process: what was
 * remembered of the connection under the same cookie says whose it is.
 */
#include "porttrace.bpf.h"
#include "read.bpf.h"

/* Set where the handlers below are called: then the end of a connection counts nothing itself. */
const volatile bool timewait_hooked = false;

/* Whether TcpExt TW counts what begins, as tw_refcount does since the same time (5.18); before, what ended by
 * time. Known once a connection has ended. */
bool timewait_begins_counted = false;

/* TIME_WAITs that the hook missed and that the end of their connection reported instead. */
__u64 timewait_missed_recovered = 0;

static __always_inline void learn_counter(void)
{
	if (bpf_core_field_exists(((struct net *)0)->ipv4.tcp_death_row.tw_refcount))
		timewait_begins_counted = true;
}

static bool chosen(const struct wire_sock *sock)
{
	return sock->flags & WIRE_PORT_EPHEMERAL && !(sock->flags & WIRE_ACCEPTED) && sock->local_port;
}

static bool wants_processes(void)
{
	return settings.pids.count || settings.uids.count || settings.comms.count || settings.cgroup_id;
}

/* record NULL: no process was seen to take the port. */
static __noinline void timewait_emit(const struct sock_record *record, const struct wire_sock *sock, __u32 action,
				     __u32 substate)
{
	struct wire_timewait event = {.action = action, .substate = substate};

	if (!filter_kind(WIRE_TIMEWAIT, 0) || !filter_sock(sock))
		return;
	if (record ? !(record->flags & RECORD_WANTED) : wants_processes())
		return;
	event.sock = *sock;
	event.sock.state = WIRE_TCP_TIME_WAIT;
	if (record)
		event.task = record->owner;
	emit(&event, WIRE_TIMEWAIT, sizeof(event));
}

/* Counted whether there is a record or not: many others may have made it go. */
static void timewait_count(const struct wire_sock *sock, const struct wire_task *owner)
{
	churn_count(sock, owner, CHURN_TIMEWAIT);
	if (chosen(sock))
		churn_count(sock, NULL, CHURN_TIMEWAIT_EPHEMERAL);
}

__hidden void timewait_begin(struct sock_record *record, __u32 substate)
{
	record->flags |= RECORD_TIMEWAIT;
	timewait_count(&record->sock, &record->owner);
	/* Without an owner only the socket is reported. */
	if (record->owner.pid)
		timewait_emit(record, &record->sock, WIRE_TIMEWAIT_ENTER, substate);
}

/* Of a connection that no process was seen to make or accept. */
static bool ownerless_fill(struct wire_sock *out, struct sock *sk, __u64 cookie)
{
	sock_fill(out, sk);
	out->cookie = cookie;
	if (!(out->flags & WIRE_CONNECT_BIND) && churn_was_listened(out->netns, out->local_port)) {
		out->flags |= WIRE_ACCEPTED;
		out->flags &= ~WIRE_PORT_EPHEMERAL;
	}
	return out->local_port && cookie;
}

__hidden void timewait_ownerless(const struct wire_sock *sock)
{
	const struct wire_task no_task = {};

	record_store(sock, &no_task, 0, 0, RECORD_TIMEWAIT);
	timewait_count(sock, NULL);
}

/* sk gives way to a struct inet_timewait_sock, and still has its port. substate: WIRE_TCP_FIN_WAIT2, when the
 * peer has not closed yet, or WIRE_TCP_TIME_WAIT. */
__hidden void on_timewait_enter(struct sock *sk, __u32 substate)
{
	__u64 cookie = sock_cookie(sock_of_user(sk)), own = sock_cookie(sk);
	struct sock_record *record = record_find(cookie);
	struct wire_sock sock = {};

	learn_counter();
	if (record)
		timewait_begin(record, substate);
	else if (ownerless_fill(&sock, sk, cookie))
		timewait_ownerless(&sock);
	/* Of MPTCP the subflow leaves it, under its own identity. */
	if (record && own != cookie) {
		sock = record->sock;
		sock.cookie = own;
		record_store(&sock, &record->owner, 0, record->since_ns,
			     record->flags | RECORD_CLOSED);
	}
}

static bool bucket_is_connects(struct inet_timewait_sock *tw)
{
	struct inet_bind_bucket *bucket = AS(struct inet_bind_bucket, READ(tw, tw_tb));

	return bucket && READ(bucket, fastreuse) < 0 && READ(bucket, fastreuseport) < 0;
}

/* The tw goes, and its port with it if it was the last that had it. */
__hidden void on_timewait_end(struct sock *of, __u32 action)
{
	struct inet_timewait_sock *tw = AS(struct inet_timewait_sock, of);
	__u64 cookie = READ(tw, __tw_common.skc_cookie.counter);
	struct sock_record *record = record_find(cookie);
	struct wire_sock sock = {};
	bool was_chosen;
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
		was_chosen = chosen(&sock);
	} else {
		sock_fill(&sock, of);
		was_chosen = bucket_is_connects(tw);
	}
	churn_count(&sock, record ? &record->owner : NULL, counter);
	if (was_chosen)
		churn_count(&sock, NULL, CHURN_TIMEWAIT_RELEASED);
	timewait_emit(record, &sock, action, READ(tw, tw_substate));
	if (!record)
		return;
	/* After shutdown() a process may have the husk of the connection still. */
	if (record->flags & RECORD_CLOSED)
		record_drop(cookie);
	else
		record->flags &= ~RECORD_TIMEWAIT;
}

/* tcp_time_wait() got no inet_timewait_sock: the connection just ends. */
__hidden void on_timewait_overflow(struct sock *sk)
{
	__u64 cookie = sock_cookie(sock_of_user(sk));
	struct sock_record *record = record_find(cookie);
	struct wire_sock sock = {};

	if (record)
		sock = record->sock;
	else if (!ownerless_fill(&sock, sk, cookie))
		return;
	churn_count(&sock, record ? &record->owner : NULL, CHURN_TIMEWAIT_OVERFLOW);
	timewait_emit(record, &sock, WIRE_TIMEWAIT_OVERFLOW, 0);
}

#define CHAIN_MAX 24

/* The sub-state of the TIME_WAIT of this connection; 0: it has none. Global, so that the verifier looks at it
 * once, and so with numbers for arguments. */
int timewait_find(__u64 netns, __u32 hash, __u64 cookie, __u16 dport)
{
	struct net *net = AS(struct net, netns);
	struct inet_hashinfo *table =
		AS(struct inet_hashinfo, READ(net, ipv4.tcp_death_row.hashinfo));
	__u64 index = hash & READ(table, ehash_mask);
	struct inet_ehash_bucket *bucket =
		AS(struct inet_ehash_bucket, (char *)READ(table, ehash) +
						     index * bpf_core_type_size(struct inet_ehash_bucket));
	__u64 node = 0; /* a number: an odd one ends the chain, and says which it was (hlist_nulls) */

	bpf_core_read(&node, sizeof(node), &bucket->chain.first);
	for (__u32 i = 0; i < CHAIN_MAX && node; i++) {
		if (node & 1) {
			if (node >> 1 == index)
				break;
			/* A node was freed and taken for another chain while this stood on it: again. */
			bpf_core_read(&node, sizeof(node), &bucket->chain.first);
			continue;
		}
		struct sock *sk = AS(struct sock, node - bpf_core_field_offset(struct sock_common,
									       skc_nulls_node));

		if (READ(sk, __sk_common.skc_hash) == hash && READ(sk, __sk_common.skc_dport) == dport &&
		    READ(sk, __sk_common.skc_cookie.counter) == cookie &&
		    READ(sk, __sk_common.skc_state) == WIRE_TCP_TIME_WAIT)
			return READ(AS(struct inet_timewait_sock, sk), tw_substate);
		if (bpf_core_read(&node, sizeof(node), &((struct hlist_nulls_node *)node)->next))
			break;
	}
	return 0;
}

/*
 * Whether sk, which has just become TCP_CLOSE, left a TIME_WAIT: no tracepoint says so, and its state
 * before is not enough (tcp_max_tw_buckets, TCP_LINGER2). But tcp_time_wait() puts the one that it makes
 * at the head of the same chain of ehash before it ends sk (inet_twsk_hashdance(), then tcp_done()).
 */
__hidden __u32 timewait_left(struct sock *of)
{
	struct sock *sk = AS(struct sock, of);
	__u64 net = 0;

	learn_counter();
	if (bpf_core_read(&net, sizeof(net), &of->__sk_common.skc_net.net))
		return 0;
	return timewait_find(net, READ(sk, __sk_common.skc_hash),
			     READ(sk, __sk_common.skc_cookie.counter), READ(sk, __sk_common.skc_dport));
}

/* Why it did not leave one: the namespace has all that it may have. */
__hidden bool timewait_is_full(struct sock *of)
{
	struct sock *sk = AS(struct sock, of);
	struct net *net = AS(struct net, READ(sk, __sk_common.skc_net.net));
	int live = 0;

	if (!bpf_core_field_exists(net->ipv4.tcp_death_row.tw_refcount))
		return false;
	live = READ(net, ipv4.tcp_death_row.tw_refcount.refs.counter) - 1;
	return live >= READ(net, ipv4.tcp_death_row.sysctl_max_tw_buckets);
}
