/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Determines why a TIME_WAIT ends. inet_twsk_kill() in net/ipv4/inet_timewait_sock.c ends every one and has
 * no argument for the reason; the function that ran on the same TIME_WAIT before it gives the reason. For
 * backends with hooks on these functions.
 */
#include "porttrace.bpf.h"

/* The reason, stored by the function that knows it, and removed when the TIME_WAIT ends. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* struct inet_timewait_sock * */
	__type(value, __u32); /* enum wire_timewait_action */
} twsk_end_reasons SEC(".maps");

static __always_inline void set_reason(const struct sock *tw, __u32 action, __u64 flags)
{
	__u64 key = (__u64)tw;

	bpf_map_update_elem(&twsk_end_reasons, &key, &action, flags);
}

/* inet_twsk_alloc(): returns NULL at tcp_max_tw_buckets of the namespace, or without memory. */
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

/* tcp_twsk_unique(): whether a connect() may reuse the port and addresses of this TIME_WAIT (tcp_tw_reuse). */
__hidden int twsk_unique(struct sock *tw, int may_reuse)
{
	if (may_reuse)
		set_reason(tw, WIRE_TIMEWAIT_REUSE, BPF_ANY);
	return 0;
}

/* tcp_timewait_state_process(): a SYN that may begin a new connection reuses the TIME_WAIT as well; a reset
 * ends it. */
__hidden int twsk_process(struct sock *tw, int result)
{
	if (result == TCP_TW_SYN)
		set_reason(tw, WIRE_TIMEWAIT_REUSE, BPF_ANY);
	return 0;
}

/* inet_twsk_deschedule_put(): the TIME_WAIT ends before its timer. */
__hidden int twsk_deschedule(struct sock *tw)
{
	set_reason(tw, WIRE_TIMEWAIT_KILL, BPF_NOEXIST);
	return 0;
}

__hidden int twsk_kill(struct sock *tw)
{
	__u64 key = (__u64)tw;
	__u32 *reason = bpf_map_lookup_elem(&twsk_end_reasons, &key);
	__u32 action = reason ? *reason : WIRE_TIMEWAIT_EXPIRE;

	if (reason)
		bpf_map_delete_elem(&twsk_end_reasons, &key);
	on_timewait_end(tw, action);
	return 0;
}
