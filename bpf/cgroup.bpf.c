/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a bind() or connect() had become by the time the socket's own code saw it. The programs of a
 * cgroup may change address and port, or refuse. Those of the root run last
 * (compute_effective_progs()), and they run after a refusal too: they see what is left to do, and that
 * they ran at all says that no seccomp filter and no security module stood in the way.
 */
#include "porttrace.bpf.h"
#include "read.bpf.h"

#define SECCOMP_MODE_FILTER 2

#ifdef __TARGET_ARCH_arm64
#define call_number(regs) BPF_CORE_READ(regs, syscallno)
#else
#define call_number(regs) BPF_CORE_READ(regs, orig_ax)
#endif

/* Whether the programs below are attached: user space says so. */
bool cgroup_seen_hooks = false;

/* By thread, which makes one call at a time. Written in place: a thread that has bound before costs no
 * update of the map. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct asked);
} cgroup_seen_calls SEC(".maps");

extern const volatile bool has_call_regs;

/* true: a program that ran before has said no (5.18); it may say no with any errno. */
static __always_inline bool was_refused(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_retval) &&
	       bpf_get_retval() < 0;
}

static __always_inline struct asked *cgroup_seen_slot(void)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct asked *asked = bpf_map_lookup_elem(&cgroup_seen_calls, &id);
	struct asked nothing = {};

	if (asked)
		return asked;
	bpf_map_update_elem(&cgroup_seen_calls, &id, &nothing, BPF_ANY);
	return bpf_map_lookup_elem(&cgroup_seen_calls, &id);
}

static __always_inline int ask(struct bpf_sock_addr *ctx, bool ipv6)
{
	struct asked *asked = cgroup_seen_slot();

	if (!asked)
		return 1;
	asked->cookie = bpf_get_socket_cookie(ctx);
	asked->flags = WIRE_REACHED_CGROUP | (was_refused() ? WIRE_REFUSED_BY_CGROUP : 0);
	if (ipv6) {
		asked->addr.sin6_family = AF_INET6;
		asked->addr.sin6_addr.in6_u.u6_addr32[0] = ctx->user_ip6[0];
		asked->addr.sin6_addr.in6_u.u6_addr32[1] = ctx->user_ip6[1];
		asked->addr.sin6_addr.in6_u.u6_addr32[2] = ctx->user_ip6[2];
		asked->addr.sin6_addr.in6_u.u6_addr32[3] = ctx->user_ip6[3];
	} else {
		asked->addr.sin6_family = AF_INET;
		((struct sockaddr_in *)&asked->addr)->sin_addr.s_addr = ctx->user_ip4;
	}
	asked->addr.sin6_port = ctx->user_port;
	return 1;
}

SEC("?cgroup/bind4")
int cgroup_bind4(struct bpf_sock_addr *ctx)
{
	return ask(ctx, false);
}

SEC("?cgroup/bind6")
int cgroup_bind6(struct bpf_sock_addr *ctx)
{
	return ask(ctx, true);
}

SEC("?cgroup/connect4")
int cgroup_connect4(struct bpf_sock_addr *ctx)
{
	return ask(ctx, false);
}

SEC("?cgroup/connect6")
int cgroup_connect6(struct bpf_sock_addr *ctx)
{
	return ask(ctx, true);
}

__hidden struct asked *cgroup_seen_take(struct sock *sk)
{
	__u64 id = bpf_get_current_pid_tgid(), cookie;
	struct asked *asked = bpf_map_lookup_elem(&cgroup_seen_calls, &id);

	if (!asked || !asked->cookie)
		return NULL;
	cookie = asked->cookie;
	asked->cookie = 0;
	/* MPTCP hands the call on to its first subflow. */
	if (cookie != sock_cookie(sk) && cookie != sock_cookie(sock_of_subflow(sk)))
		return NULL;
	return asked;
}

/*
 * Whether a seccomp filter of this thread may have answered its call. The kernel remembers of each
 * filter which calls it allows whatever their arguments (5.11): of those it is certain that none did.
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

/* Global: the verifier looks at it once and not from every state of its callers. */
__u32 refused_flags(__u32 asked, bool has_hook)
{
	if (asked)
		return asked;
	return (may_be_filtered() ? WIRE_FILTERED : 0) | (has_hook && cgroup_seen_hooks ? WIRE_STOPPED_BEFORE_CGROUP : 0);
}
