/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a TIME_WAIT ends. inet_twsk_kill() ends every one, and says nothing; what was called on the same one
 * just before does. For the backends that have hooks on these functions.
 */
#include "porttrace.bpf.h"

/* The reason, from the function that knows it to the one that ends it; by address, and gone with it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* struct inet_timewait_sock * */
	__type(value, __u32); /* enum wire_timewait_action */
} twsk_ends SEC(".maps");

static __always_inline void end_is(const struct sock *tw, __u32 action, __u64 flags)
{
	__u64 key = (__u64)tw;

	bpf_map_update_elem(&twsk_ends, &key, &action, flags);
}

/* inet_twsk_alloc(): NULL when the namespace has as many as it may have (tcp_max_tw_buckets). */
__hidden int twsk_alloc(struct sock *sk, struct sock *tw, int state)
{
	if (sock_protocol(sk) != IPPROTO_TCP)
		return 0;
	if (tw)
		on_timewait_enter(sk, state);
	else
		on_timewait_overflow(sk);
	return 0;
}

/* tcp_twsk_unique(): whether a connect() may take its port and addresses (tcp_tw_reuse). */
__hidden int twsk_unique(struct sock *tw, int may)
{
	if (may)
		end_is(tw, WIRE_TIMEWAIT_REUSE, BPF_ANY);
	return 0;
}

/* tcp_timewait_state_process(): a SYN that may begin a new connection takes it too; a reset ends it. */
__hidden int twsk_process(struct sock *tw, int result)
{
	if (result == TCP_TW_SYN)
		end_is(tw, WIRE_TIMEWAIT_REUSE, BPF_ANY);
	return 0;
}

/* inet_twsk_deschedule_put(): it ends before its time. */
__hidden int twsk_deschedule(struct sock *tw)
{
	end_is(tw, WIRE_TIMEWAIT_KILL, BPF_NOEXIST);
	return 0;
}

__hidden int twsk_kill(struct sock *tw)
{
	__u64 key = (__u64)tw;
	__u32 *reason = bpf_map_lookup_elem(&twsk_ends, &key);
	__u32 action = reason ? *reason : WIRE_TIMEWAIT_EXPIRE;

	if (reason)
		bpf_map_delete_elem(&twsk_ends, &key);
	on_timewait_end(tw, action);
	return 0;
}
