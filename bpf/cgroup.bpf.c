/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records the address of a bind() or connect() after the BPF programs of its cgroup, which may change address
 * and port, or refuse the call. The programs of the root cgroup run last (compute_effective_progs() in
 * kernel/bpf/cgroup.c), and run after a refusal too. That they ran at all proves that no seccomp filter and
 * no security module refused the call.
 */
#include "porttrace.bpf.h"
#include "read.bpf.h"

#define SECCOMP_MODE_FILTER 2

#ifdef __TARGET_ARCH_arm64
#define call_number(regs) BPF_CORE_READ(regs, syscallno)
#else
#define call_number(regs) BPF_CORE_READ(regs, orig_ax)
#endif

/* Set by user space when the programs below are attached. */
bool cgroup_seen_hooks = false;

/* One entry per thread, which makes one call at a time. Entries are overwritten and not deleted, so a call by
 * a known thread needs no map update. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct cgroup_seen);
} cgroup_seen_calls SEC(".maps");

extern const volatile bool has_call_regs;

/* Whether a cgroup program that ran before refused the call (bpf_get_retval(), 5.18). It may use any errno. */
static __always_inline bool was_refused(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_retval) &&
	       bpf_get_retval() < 0;
}

static __always_inline struct cgroup_seen *cgroup_seen_slot(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct cgroup_seen *seen = bpf_map_lookup_elem(&cgroup_seen_calls, &id);
	struct cgroup_seen zero = {};

	if (seen)
		return seen;
	bpf_map_update_elem(&cgroup_seen_calls, &id, &zero, BPF_ANY);
	return bpf_map_lookup_elem(&cgroup_seen_calls, &id);
}

static __always_inline int record_call(struct bpf_sock_addr *ctx, bool ipv6)
{
	struct cgroup_seen *seen = cgroup_seen_slot();

	if (!seen)
		return 1;
	seen->cookie = bpf_get_socket_cookie(ctx);
	seen->flags = WIRE_REACHED_CGROUP | (was_refused() ? WIRE_REFUSED_BY_CGROUP : 0);
	if (ipv6) {
		seen->addr.sin6_family = AF_INET6;
		seen->addr.sin6_addr.in6_u.u6_addr32[0] = ctx->user_ip6[0];
		seen->addr.sin6_addr.in6_u.u6_addr32[1] = ctx->user_ip6[1];
		seen->addr.sin6_addr.in6_u.u6_addr32[2] = ctx->user_ip6[2];
		seen->addr.sin6_addr.in6_u.u6_addr32[3] = ctx->user_ip6[3];
	} else {
		seen->addr.sin6_family = AF_INET;
		((struct sockaddr_in *)&seen->addr)->sin_addr.s_addr = ctx->user_ip4;
	}
	seen->addr.sin6_port = ctx->user_port;
	return 1;
}

SEC("?cgroup/bind4")
int cgroup_bind4(struct bpf_sock_addr *ctx)
{
	return record_call(ctx, false);
}

SEC("?cgroup/bind6")
int cgroup_bind6(struct bpf_sock_addr *ctx)
{
	return record_call(ctx, true);
}

SEC("?cgroup/connect4")
int cgroup_connect4(struct bpf_sock_addr *ctx)
{
	return record_call(ctx, false);
}

SEC("?cgroup/connect6")
int cgroup_connect6(struct bpf_sock_addr *ctx)
{
	return record_call(ctx, true);
}

__hidden struct cgroup_seen *cgroup_seen_take(struct sock *sk)
{
	__u64 id = bpf_get_current_pid_tgid(), cookie;
	struct cgroup_seen *seen = bpf_map_lookup_elem(&cgroup_seen_calls, &id);

	if (!seen || !seen->cookie)
		return NULL;
	cookie = seen->cookie;
	seen->cookie = 0;
	/* An MPTCP socket passes the call to its first subflow. */
	if (cookie != sock_cookie(sk) && cookie != sock_cookie(sock_of_subflow(sk)))
		return NULL;
	return seen;
}

/*
 * Whether a seccomp filter of this thread may have refused its call. The kernel caches for each filter which
 * calls it allows with any arguments (struct action_cache in kernel/seccomp.c, 5.11): those calls were not
 * refused.
 */
static bool may_be_filtered(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct seccomp_filter *filter;
	struct pt_regs *regs;
	unsigned long word = 0;
	__u64 nr;

	if (BPF_CORE_READ(task, seccomp.mode) != SECCOMP_MODE_FILTER)
		return false;
	filter = BPF_CORE_READ(task, seccomp.filter);
	if (!filter || !bpf_core_type_exists(struct action_cache))
		return true;
	if (!has_call_regs)
		return true;
	regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	nr = call_number(regs);
	if (nr >= 8 * sizeof(filter->cache.allow_native))
		return true;
	bpf_core_read(&word, sizeof(word), &filter->cache.allow_native[nr / (8 * sizeof(word))]);
	return !(word & 1UL << nr % (8 * sizeof(word)));
}

/* A global function: the verifier checks it once, not again from every state of its callers. */
__u32 refusal_flags(__u32 seen_flags, bool has_cgroup_hook)
{
	if (seen_flags)
		return seen_flags;
	return (may_be_filtered() ? WIRE_FILTERED : 0) |
	       (has_cgroup_hook && cgroup_seen_hooks ? WIRE_STOPPED_BEFORE_CGROUP : 0);
}
