/* SPDX-License-Identifier: GPL-2.0-only */
/* The time that a call spends in the kernel's search for a port, kept by thread from the search to the
 * event that tells of it. Only backends that see the search (fentry, kprobe) fill it. */
#include "porttrace.bpf.h"

/* Set where the programs around the searches are loaded. */
const volatile bool searches_timed = false;

struct search {
	__u64 sk; /* whose, by address: a kretprobe has no arguments */
	__u64 start_ns; /* CLOCK_MONOTONIC */
	__u64 spent_ns;
};

/* An LRU: a search that no event takes, of a kernel thread, say, must not stay for ever. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct search);
} searches SEC(".maps");

__hidden void search_enter(struct sock *sk)
{
	struct search search = {.sk = (__u64)sk, .start_ns = bpf_ktime_get_ns()};
	__u64 id = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&searches, &id, &search, BPF_ANY);
}

__hidden struct sock *search_exit(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct search *search = bpf_map_lookup_elem(&searches, &id);

	if (!search)
		return NULL;
	search->spent_ns = bpf_ktime_get_ns() - search->start_ns;
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
