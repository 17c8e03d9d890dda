/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Backend "tracepoint": entry points only. It runs on kernels without fentry and kprobes. The returns of
 * system calls have the errno; cgroup and sockops programs run in the process that uses the socket; the state
 * tracepoint reports the ends of connections.
 */
#include "porttrace.bpf.h"

/* Whether the return of a system call can read its registers: bpf_task_pt_regs() (5.15). Then no program runs
 * at the entry, which halves the cost for every system call of the machine. */
const volatile bool has_call_regs = false;

/* One bit per wire_kind that only the io_uring tracepoints report. */
const volatile __u32 uring_kinds = ~0U;

/* The arguments of a call; kept from the entry to the return if the return cannot read them. */
struct call {
	__u64 addr;
	__u32 fd;
	__u32 value; /* length of the address, or backlog */
};

/* An LRU, because a thread may exit inside connect(). */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct call);
} calls SEC(".maps");

/* The caller reads only the arguments that the system call has: the kernel refuses a program that reads more. */
static int call_enter(__u32 fd, __u64 addr, __u32 value)
{
	struct call call = {.fd = fd, .addr = addr, .value = value};
	__u64 id = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&calls, &id, &call, BPF_ANY);
	return 0;
}

/* Returns false if the entry of the call was not seen. */
static __always_inline bool call_take(struct call *out)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct call *call;

	if (has_call_regs) {
		struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());

		out->fd = PT_REGS_PARM1_SYSCALL(regs);
		out->addr = PT_REGS_PARM2_SYSCALL(regs);
		out->value = PT_REGS_PARM3_SYSCALL(regs);
		return true;
	}
	call = bpf_map_lookup_elem(&calls, &id);
	if (!call)
		return false;
	*out = *call;
	bpf_map_delete_elem(&calls, &id);
	return true;
}

static __always_inline void addr_read(struct sockaddr_in6 *out, const struct call *call)
{
	const void *addr = (const void *)call->addr;

	if (call->value >= sizeof(*out))
		bpf_probe_read_user(out, sizeof(*out), addr);
	else if (call->value >= sizeof(struct sockaddr_in))
		bpf_probe_read_user(out, sizeof(struct sockaddr_in), addr);
	else if (call->value >= ADDR_PORT_END)
		bpf_probe_read_user(&out->sin6_family, ADDR_PORT_END, addr);
}

/* Returns the socket of a call that returns, and its address argument. NULL: not a traced socket. */
static __always_inline struct sock *sock_of_call(struct call *call, struct sockaddr_in6 *addr)
{
	struct sock *sk = call_take(call) ? sock_of_fd(call->fd) : NULL;

	if (sk && addr)
		addr_read(addr, call);
	return sk;
}

SEC("?tracepoint/syscalls/sys_enter_bind")
int tracepoint_enter_bind(struct trace_event_raw_sys_enter *ctx)
{
	return call_enter(ctx->args[0], ctx->args[1], ctx->args[2]);
}

SEC("?tracepoint/syscalls/sys_exit_bind")
int tracepoint_exit_bind(struct trace_event_raw_sys_exit *ctx)
{
	struct sockaddr_in6 addr = {};
	__u32 error = -ctx->ret;
	struct call call;
	struct sock *sk = sock_of_call(&call, &addr);

	if (sk)
		on_bind(sk, &addr, NULL, error);
	return 0;
}

SEC("?tracepoint/syscalls/sys_enter_listen")
int tracepoint_enter_listen(struct trace_event_raw_sys_enter *ctx)
{
	return call_enter(ctx->args[0], ctx->args[1], 0);
}

SEC("?tracepoint/syscalls/sys_exit_listen")
int tracepoint_exit_listen(struct trace_event_raw_sys_exit *ctx)
{
	__u32 error = -ctx->ret;
	struct call call;
	struct sock *sk = sock_of_call(&call, NULL);

	if (sk)
		on_listen(sk, error ? (__u32)call.addr : sock_backlog(sk), error);
	return 0;
}

SEC("?tracepoint/syscalls/sys_enter_connect")
int tracepoint_enter_connect(struct trace_event_raw_sys_enter *ctx)
{
	return call_enter(ctx->args[0], ctx->args[1], ctx->args[2]);
}

SEC("?tracepoint/syscalls/sys_exit_connect")
int tracepoint_exit_connect(struct trace_event_raw_sys_exit *ctx)
{
	struct sockaddr_in6 addr = {};
	__u32 error = -ctx->ret;
	struct call call;
	struct sock *sk = sock_of_call(&call, &addr);

	if (sk)
		on_connect_result(sk, &addr, error);
	return 0;
}

/* io_uring does not use these system calls. The IORING_OP_ numbers are ABI (include/uapi/linux/io_uring.h). */
#define URING_OP_ACCEPT	 13
#define URING_OP_CONNECT 16
#define URING_OP_BIND	 56
#define URING_OP_LISTEN	 57

/* The address of a request, which the kernel frees before the request completes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* struct io_kiocb * */
	__type(value, struct sockaddr_in6);
} uring_addrs SEC(".maps");

SEC("?tp_btf/io_uring_submit_req")
int BPF_PROG(tracepoint_uring_submit, struct io_kiocb *request)
{
	__u8 op = request->opcode;
	struct io_async_msghdr *message;
	struct sockaddr_in6 addr = {};
	__u64 key = (__u64)request;

	if (op != URING_OP_BIND && op != URING_OP_CONNECT)
		return 0;
	message = BPF_CORE_READ(request, async_data);
	if (!message)
		return 0;
	/* Newer kernels keep only the address in async_data; older ones a message, which begins with a
	 * pointer and never with a valid family. */
	bpf_probe_read_kernel(&addr, sizeof(addr), message);
	if (addr.sin6_family != AF_INET && addr.sin6_family != AF_INET6)
		bpf_core_read(&addr, sizeof(addr), &message->addr);
	bpf_map_update_elem(&uring_addrs, &key, &addr, BPF_ANY);
	return 0;
}

static __always_inline int uring_done(struct io_kiocb *request, int result)
{
	struct sockaddr_in6 addr = {}, *requested;
	__u64 key = (__u64)request;
	struct sock *sk;
	__u8 op;

	if (!request)
		return 0;
	op = BPF_CORE_READ(request, opcode);
	if (op != URING_OP_CONNECT && op != URING_OP_BIND && op != URING_OP_LISTEN && op != URING_OP_ACCEPT)
		return 0;
	if (op == URING_OP_ACCEPT) {
		sk = result < 0 ? NULL : sock_of_fd(result);
		if (sk && settings.kinds & uring_kinds & 1U << WIRE_ACCEPT)
			on_accept(sk);
		return 0;
	}
	sk = sock_of_file(BPF_CORE_READ(request, file));
	if (!sk)
		return 0;
	requested = bpf_map_lookup_elem(&uring_addrs, &key);
	if (requested) {
		addr = *requested;
		bpf_map_delete_elem(&uring_addrs, &key);
	}
	switch (op) {
	case URING_OP_BIND:
		if (uring_kinds & 1U << WIRE_BIND)
			on_bind(sk, &addr, NULL, -result);
		break;
	case URING_OP_LISTEN:
		if (uring_kinds & 1U << WIRE_LISTEN)
			on_listen(sk, sock_backlog(sk), -result);
		break;
	default:
		if (uring_kinds & 1U << WIRE_CONNECT)
			on_connect_result(sk, &addr, -result);
	}
	return 0;
}

/* A request completes, in the task that submitted it or in one of its workers. */
SEC("?tp_btf/io_uring_complete")
int BPF_PROG(tracepoint_uring, struct io_ring_ctx *ring_ctx, void *request, struct io_uring_cqe *entry)
{
	return uring_done(request, entry->res);
}

/*
 * Before "io_uring: pass in struct io_uring_cqe to io_uring_complete tracepoint" (6.15) the result was a
 * separate argument. The request came in the same release as the last two arguments (5.19): a program that
 * uses the last one is refused by kernels whose tracepoint has only the user_data.
 */
SEC("?tp_btf/io_uring_complete")
int BPF_PROG(tracepoint_uring_old, void *ring_ctx, void *request, __u64 user_data, int result,
	     unsigned int flags, __u64 extra1, __u64 extra2)
{
	asm volatile("" : : "r"(extra2));
	return uring_done(request, result);
}

static int accept_exit(struct trace_event_raw_sys_exit *ctx)
{
	struct sock *sk = ctx->ret < 0 ? NULL : sock_of_fd(ctx->ret);

	if (sk)
		on_accept(sk);
	return 0;
}

SEC("?tracepoint/syscalls/sys_exit_accept")
int tracepoint_exit_accept(struct trace_event_raw_sys_exit *ctx)
{
	return accept_exit(ctx);
}

SEC("?tracepoint/syscalls/sys_exit_accept4")
int tracepoint_exit_accept4(struct trace_event_raw_sys_exit *ctx)
{
	return accept_exit(ctx);
}

/* sk has its port, and tcp_connect() is about to send the SYN: BPF_SOCK_OPS_TCP_CONNECT_CB. */
SEC("?sockops")
int tracepoint_sockops(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *view;
	struct sock *sk;

	if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
		return 1;
	view = ctx->sk;
	sk = view ? (struct sock *)bpf_skc_to_tcp_sock(view) : NULL;
	if (sk)
		on_connect(sk);
	return 1;
}

/* Creates the cookie of an accepted connection, on kernels where the state tracepoint cannot. */
SEC("?sockops")
int tracepoint_accept_cookie(struct bpf_sock_ops *ctx)
{
	if (ctx->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		bpf_get_socket_cookie(ctx);
	return 1;
}

/* Creates the cookie together with the socket, so that all events of a socket have the same cookie. */
SEC("?cgroup/sock_create")
int tracepoint_sock_create(struct bpf_sock *ctx)
{
	bpf_get_socket_cookie(ctx);
	return 1;
}

/* Removes the type of a context. The kernel passes the struct sock itself, and programs can read memory
 * through an untyped number but not through this context (before bpf_cast_to_kern_ctx(), 6.2). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} untyped_address SEC(".maps");

/* Runs when the last descriptor is closed, in the process that closes it (inet_release() in
 * net/ipv4/af_inet.c). */
SEC("?cgroup/sock_release")
int tracepoint_sock_release(struct bpf_sock *ctx)
{
	__u32 zero = 0;
	volatile __u64 *address = bpf_map_lookup_elem(&untyped_address, &zero);
	struct sock *sk;

	if (!address)
		return 1;
	*address = (__u64)ctx;
	sk = (struct sock *)*address;
	if (!sock_is_traced(sk))
		return 1;
	bpf_get_socket_cookie(ctx);
	on_close(sk);
	return 1;
}

/*
 * The ends of connections that were already reported. A tracepoint program does not run while it would
 * interrupt itself (prog->active in __bpf_trace_run(), kernel/trace/bpf_trace.c). If a softirq ends a
 * connection during another state change on the same CPU, only one of two programs on the tracepoint may run,
 * and sometimes neither; the kernel does not count such misses. The sockops callback, which runs a few lines
 * earlier in tcp_set_state(), never misses one, but covers only connections that began after it was attached.
 * The tracepoint covers the others.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);   /* struct sock * */
	__type(value, __u64); /* its cookie: a later socket may have the same address */
} reported_tcp_ends SEC(".maps");

static __always_inline void tcp_end_mark_reported(struct sock *sk)
{
	__u64 key = (__u64)sk, cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);

	bpf_map_update_elem(&reported_tcp_ends, &key, &cookie, BPF_ANY);
}

static __always_inline bool tcp_end_is_reported(struct sock *sk)
{
	__u64 key = (__u64)sk, *cookie = bpf_map_lookup_elem(&reported_tcp_ends, &key);

	return cookie && *cookie == BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

static __always_inline int tcp_state(struct sock *sk, int old_state, int new_state, bool is_last)
{
	__u64 key = (__u64)sk;

	/* MPTCP reports each change twice; only its subflow (TCP) has the port. */
	if (old_state == new_state || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (has_cookies && old_state == WIRE_TCP_SYN_RECV && new_state == WIRE_TCP_ESTABLISHED)
		bpf_get_socket_cookie(sk);
	if (new_state != WIRE_TCP_CLOSE)
		return 0;
	if (tcp_end_is_reported(sk)) {
		if (is_last)
			bpf_map_delete_elem(&reported_tcp_ends, &key);
		return 0;
	}
	if (!is_last)
		tcp_end_mark_reported(sk);
	on_tcp_closed(sk, old_state);
	return 0;
}

SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(tracepoint_tcp_state, struct sock *sk, int old_state, int new_state)
{
	return tcp_state(sk, old_state, new_state, false);
}

/* Attached after the first one, so it runs after it. */
SEC("?tp_btf/inet_sock_set_state")
int BPF_PROG(tracepoint_tcp_state_second, struct sock *sk, int old_state, int new_state)
{
	return tcp_state(sk, old_state, new_state, true);
}

SEC("?sockops")
int tracepoint_sockops_end(struct bpf_sock_ops *ctx)
{
	struct bpf_sock *view;
	struct sock *sk;

	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
	case BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB:
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		return 1;
	case BPF_SOCK_OPS_STATE_CB:
		break;
	default:
		return 1;
	}
	if (ctx->args[1] != WIRE_TCP_CLOSE)
		return 1;
	view = ctx->sk;
	sk = view ? (struct sock *)bpf_skc_to_tcp_sock(view) : NULL;
	if (!sk)
		return 1;
	tcp_end_mark_reported(sk);
	on_tcp_closed(sk, ctx->args[0]);
	return 1;
}

/* Runs only when a socket gets an error, so it costs nothing else. TCP reports its errors by its state. */
SEC("?tp_btf/inet_sk_error_report")
int BPF_PROG(tracepoint_sock_error, struct sock *sk)
{
	if (sk->sk_protocol == IPPROTO_UDP || sk->sk_protocol == IPPROTO_UDPLITE)
		on_sock_error(sk);
	return 0;
}

SEC("?tp_btf/sock_send_length")
int BPF_PROG(tracepoint_send, struct sock *sk, int result)
{
	__u16 family = sk->__sk_common.skc_family, protocol = sk->sk_protocol;

	if (family != AF_INET && family != AF_INET6)
		return 0;
	if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)
		on_udp_send(sk, result);
	else if (result == -EADDRNOTAVAIL && protocol == IPPROTO_TCP) /* TCP Fast Open connects inside a send */
		on_connect_failed(sk, NULL, EADDRNOTAVAIL);
	return 0;
}

/* For kernels before "net: Introduce sock_send_length/sock_recv_length tracepoints" (6.3): traces the system
 * calls. */
static __always_inline int send_exit(struct trace_event_raw_sys_exit *ctx)
{
	struct call call;
	struct sock *sk = call_take(&call) ? sock_of_fd(call.fd) : NULL;
	__u16 protocol = sk ? sock_protocol(sk) : 0;

	if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)
		on_udp_send(sk, ctx->ret);
	else if (protocol == IPPROTO_TCP && ctx->ret == -EADDRNOTAVAIL)
		on_connect_failed(sk, NULL, EADDRNOTAVAIL);
	return 0;
}

SEC("?tracepoint/syscalls/sys_enter_sendto")
int tracepoint_enter_sendto(struct trace_event_raw_sys_enter *ctx)
{
	return call_enter(ctx->args[0], 0, 0);
}

SEC("?tracepoint/syscalls/sys_exit_sendto")
int tracepoint_exit_sendto(struct trace_event_raw_sys_exit *ctx)
{
	return send_exit(ctx);
}

SEC("?tracepoint/syscalls/sys_enter_sendmsg")
int tracepoint_enter_sendmsg(struct trace_event_raw_sys_enter *ctx)
{
	return call_enter(ctx->args[0], 0, 0);
}

SEC("?tracepoint/syscalls/sys_exit_sendmsg")
int tracepoint_exit_sendmsg(struct trace_event_raw_sys_exit *ctx)
{
	return send_exit(ctx);
}

SEC("?tracepoint/syscalls/sys_enter_sendmmsg")
int tracepoint_enter_sendmmsg(struct trace_event_raw_sys_enter *ctx)
{
	return call_enter(ctx->args[0], 0, 0);
}

SEC("?tracepoint/syscalls/sys_exit_sendmmsg")
int tracepoint_exit_sendmmsg(struct trace_event_raw_sys_exit *ctx)
{
	return send_exit(ctx);
}

char _license[] SEC("license") = "GPL";
