/* SPDX-License-Identifier: GPL-2.0-only */
/* Measures the time that a call spends in the kernel's search for a port, and keeps it per thread until the
 * event of the call is sent. Only the backends fentry and kprobe see the search. */
#include "porttrace.bpf.h"

/* Set by user space if programs on the searches are loaded. */
const volatile bool searches_timed = false;

struct search {
	__u64 sk; /* an address; kept because a kretprobe has no arguments */
	__u64 start_ns; /* CLOCK_MONOTONIC; 0: the search has ended */
	__u64 spent_ns;
	__u32 connects; /* by connect() of TCP */
	__u32 any_port;	/* for any port, not a check of a requested one */
};

/* An LRU, because no event takes some searches (of kernel threads). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct search);
} searches SEC(".maps");

static __always_inline void search_begin(struct sock *sk, bool connects, bool any_port)
{
	struct search search = {
		.sk = (__u64)sk,
		.start_ns = bpf_ktime_get_ns(),
		.connects = connects,
		.any_port = any_port,
	};
	__u64 id = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&searches, &id, &search, BPF_ANY);
}

__hidden void search_enter(struct sock *sk, __u16 port)
{
	search_begin(sk, false, !port);
}

__hidden void search_enter_connect(struct sock *sk)
{
	search_begin(sk, true, !sock_port(sk));
}

__hidden struct sock *search_exit(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct search *search = bpf_map_lookup_elem(&searches, &id);

	/* If the entry probe missed this search, the map has the previous one of this thread. */
	if (!search || !search->start_ns)
		return NULL;
	search->spent_ns = bpf_ktime_get_ns() - search->start_ns;
	search->start_ns = 0;
	if (searches_timed && search->any_port)
		churn_search((struct sock *)search->sk, search->spent_ns, search->connects);
	return (struct sock *)search->sk;
}

__hidden __u64 search_take(void)
{
	struct search *search;
	__u64 spent, id;

	if (!searches_timed)
		return 0;
	id = bpf_get_current_pid_tgid();
	search = bpf_map_lookup_elem(&searches, &id);
	if (!search)
		return 0;
	spent = search->spent_ns;
	bpf_map_delete_elem(&searches, &id);
	return spent;
}
