/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Backend "fentry": entry points only. fentry and fexit programs on the functions that every caller passes:
 * system calls, io_uring, MPTCP, TCP Fast Open and callers in the kernel. An fexit program gets the arguments
 * of the call and runs at every return.
 */
#include "porttrace.bpf.h"
#include "function.bpf.h"

/*
 * A bind or listen that has not returned. Some kernels (6.12) inline the functions that system calls and
 * io_uring share into the system call, others (7.2) call them: the first one entered reports the call. The
 * address is copied at the entry, because a cgroup program may change the kernel's copy before the return.
 */
struct fentry_call {
	struct sockaddr_in6 requested;
	__u32 reporter; /* FENTRY_SYSCALL, FENTRY_SHARED */
};
#define FENTRY_SYSCALL 1
#define FENTRY_SHARED  2

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* pid_tgid */
	__type(value, struct fentry_call);
} fentry_calls SEC(".maps");

static __always_inline int call_enter(struct fentry_call *call)
{
	__u64 id = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&fentry_calls, &id, call, call->reporter == FENTRY_SHARED ? BPF_NOEXIST : BPF_ANY);
	return 0;
}

/* The call, if `reporter` reports it; call_end() must follow. NULL: another function reports it. */
static __always_inline struct fentry_call *call_find(__u32 reporter)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct fentry_call *call = bpf_map_lookup_elem(&fentry_calls, &id);

	return call && call->reporter == reporter ? call : NULL;
}

static __always_inline int call_end(void)
{
	__u64 id = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&fentry_calls, &id);
	return 0;
}

SEC("?fentry/__sys_bind")
int BPF_PROG(fentry_bind_enter, int fd, void *addr, int size)
{
	struct fentry_call call = {.reporter = FENTRY_SYSCALL};

	addr_read_user(&call.requested, addr, size);
	return call_enter(&call);
}

SEC("?fexit/__sys_bind")
int BPF_PROG(fentry_bind, int fd, void *addr, int size, int result)
{
	struct fentry_call *call = call_find(FENTRY_SYSCALL);
	struct sock *sk;

	if (!call)
		return 0;
	sk = sock_of_fd(fd);
	if (sk)
		on_bind(sk, &call->requested, NULL, -result);
	return call_end();
}

SEC("?fentry/__sys_bind_socket")
int BPF_PROG(fentry_bind_socket_enter, struct socket *socket, void *addr, int size)
{
	struct fentry_call call = {.reporter = FENTRY_SHARED};

	addr_read(&call.requested, addr, size);
	return call_enter(&call);
}

SEC("?fexit/__sys_bind_socket")
int BPF_PROG(fentry_bind_socket, struct socket *socket, void *addr, int size, int result)
{
	struct fentry_call *call = call_find(FENTRY_SHARED);
	struct sock *sk;

	if (!call)
		return 0;
	sk = sock_of_socket(socket);
	if (sk)
		on_bind(sk, &call->requested, NULL, -result);
	return call_end();
}

SEC("?fexit/kernel_bind")
int BPF_PROG(fentry_kernel_bind, struct socket *socket, void *addr, int size, int result)
{
	struct sock *sk = sock_of_socket(socket);
	struct sockaddr_in6 requested = {};

	if (!sk || is_subflow(sk))
		return 0;
	addr_read(&requested, addr, size);
	on_bind(sk, &requested, NULL, -result);
	return 0;
}

static __always_inline int listen_exit(struct sock *sk, int backlog, int result)
{
	if (sk)
		on_listen(sk, result ? (__u32)backlog : sock_backlog(sk), -result);
	return 0;
}

SEC("?fentry/__sys_listen")
int BPF_PROG(fentry_listen_enter, int fd)
{
	struct fentry_call call = {.reporter = FENTRY_SYSCALL};

	return call_enter(&call);
}

SEC("?fexit/__sys_listen")
int BPF_PROG(fentry_listen, int fd, int backlog, int result)
{
	if (!call_find(FENTRY_SYSCALL))
		return 0;
	listen_exit(sock_of_fd(fd), backlog, result);
	return call_end();
}

SEC("?fentry/__sys_listen_socket")
int BPF_PROG(fentry_listen_socket_enter, struct socket *socket)
{
	struct fentry_call call = {.reporter = FENTRY_SHARED};

	return call_enter(&call);
}

SEC("?fexit/__sys_listen_socket")
int BPF_PROG(fentry_listen_socket, struct socket *socket, int backlog, int result)
{
	if (!call_find(FENTRY_SHARED))
		return 0;
	listen_exit(sock_of_socket(socket), backlog, result);
	return call_end();
}

SEC("?fexit/kernel_listen")
int BPF_PROG(fentry_kernel_listen, struct socket *socket, int backlog, int result)
{
	struct sock *sk = sock_of_socket(socket);

	return sk && is_subflow(sk) ? 0 : listen_exit(sk, backlog, result);
}

/*
 * An outgoing TCP connection took a port, or none was free. fentry_connect reports a refused connect(). This
 * reports the refusals that have no connect(): of a send (TCP Fast Open) and of sockets of the kernel.
 */
static __always_inline int hash_connect_exit(struct sock *sk, int result)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	search_exit();
	if (!result)
		on_connect(sk);
	else if (BPF_CORE_READ(tcp, fastopen_req) ||
		 (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock) && !is_subflow(sk)))
		on_connect_failed(sk, NULL, -result);
	return 0;
}

SEC("?fexit/inet_hash_connect")
int BPF_PROG(fentry_hash_connect, void *death_row, struct sock *sk, int result)
{
	return hash_connect_exit(sk, result);
}

SEC("?fexit/inet6_hash_connect")
int BPF_PROG(fentry_hash_connect6, void *death_row, struct sock *sk, int result)
{
	return hash_connect_exit(sk, result);
}

/* Every connect() except the kernel's own, io_uring included. That of TCP may return long after it took a
 * port. */
SEC("?fexit/__sys_connect_file")
int BPF_PROG(fentry_connect, struct file *file, void *addr, int size, int flags, int result)
{
	struct sock *sk = sock_of_file(file);
	struct sockaddr_in6 requested = {};

	if (!sk)
		return 0;
	addr_read(&requested, addr, size);
	on_connect_result(sk, &requested, -result);
	return 0;
}

/* Threads inside connect() of UDP. fentry_connect reports the port that it takes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* pid_tgid */
	__type(value, __u32);
} fentry_connecting SEC(".maps");

SEC("?fentry/inet_dgram_connect")
int BPF_PROG(fentry_dgram_connect, struct socket *socket)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 yes = 1;

	bpf_map_update_elem(&fentry_connecting, &id, &yes, BPF_ANY);
	return 0;
}

SEC("?fexit/inet_dgram_connect")
int BPF_PROG(fentry_dgram_connect_exit, struct socket *socket)
{
	__u64 id = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&fentry_connecting, &id);
	return 0;
}

/* A UDP send bound an unbound socket, or no port was free. */
SEC("?fexit/inet_autobind")
int BPF_PROG(fentry_autobind, struct sock *sk, int result)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u16 protocol = sk->sk_protocol;

	if (protocol != IPPROTO_UDP && protocol != IPPROTO_UDPLITE)
		return 0;
	if (!bpf_map_lookup_elem(&fentry_connecting, &id))
		on_udp_send(sk, result);
	return 0;
}

/* For kernels before the tracepoint inet_sk_error_report (5.14). */
SEC("?fentry/sock_def_error_report")
int BPF_PROG(fentry_sock_error, struct sock *sk)
{
	if (sk->sk_protocol == IPPROTO_UDP || sk->sk_protocol == IPPROTO_UDPLITE)
		on_sock_error(sk);
	return 0;
}

SEC("?fentry/__inet_accept")
int BPF_PROG(fentry_accept, struct socket *listener, struct socket *socket, struct sock *sk)
{
	if (sock_is_traced(sk))
		on_accept(sk);
	return 0;
}

/* For kernels before "tcp: make inet_accept() a wrapper ...", where this is the only function that every
 * accept() calls. */
SEC("?fentry/security_sock_graft")
int BPF_PROG(fentry_graft, struct sock *sk, struct socket *parent)
{
	if (sock_is_traced(sk))
		on_accept(sk);
	return 0;
}

/* Runs when the last descriptor is closed, in the process that closes it; IPv6 sockets included. */
SEC("?fentry/inet_release")
int BPF_PROG(fentry_release, struct socket *socket)
{
	struct sock *sk = sock_of_socket(socket);

	if (sk && !is_subflow(sk))
		on_close(sk);
	return 0;
}

SEC("?fentry/inet_csk_get_port")
int BPF_PROG(fentry_get_port, struct sock *sk, unsigned short port)
{
	search_enter(sk, port);
	return 0;
}

SEC("?fexit/inet_csk_get_port")
int BPF_PROG(fentry_get_port_exit, struct sock *sk)
{
	search_exit();
	return 0;
}

SEC("?fentry/udp_lib_get_port")
int BPF_PROG(fentry_udp_get_port, struct sock *sk, unsigned short port)
{
	search_enter(sk, port);
	return 0;
}

SEC("?fexit/udp_lib_get_port")
int BPF_PROG(fentry_udp_get_port_exit, struct sock *sk)
{
	search_exit();
	return 0;
}

SEC("?fentry/inet_hash_connect")
int BPF_PROG(fentry_hash_connect_enter, void *death_row, struct sock *sk)
{
	search_enter_connect(sk);
	return 0;
}

SEC("?fentry/inet6_hash_connect")
int BPF_PROG(fentry_hash_connect6_enter, void *death_row, struct sock *sk)
{
	search_enter_connect(sk);
	return 0;
}

SEC("?fexit/inet_twsk_alloc")
int BPF_PROG(fentry_twsk_alloc, struct sock *sk, void *death_row, int state,
	     struct inet_timewait_sock *tw)
{
	return twsk_alloc(sk, (struct sock *)tw, state);
}

SEC("?fexit/tcp_twsk_unique")
int BPF_PROG(fentry_twsk_unique, struct sock *sk, struct sock *tw, void *timestamps, int result)
{
	return twsk_unique(tw, result);
}

/* The prototype differs between kernels, so the result is read by bpf_get_func_ret() (5.17). Kernels before
 * that have the three arguments of the program below. */
SEC("?fexit/tcp_timewait_state_process")
int fentry_twsk_process(__u64 *ctx)
{
	__u64 result = 0;

	bpf_get_func_ret(ctx, &result);
	return twsk_process((struct sock *)ctx[0], result);
}

SEC("?fexit/tcp_timewait_state_process")
int BPF_PROG(fentry_twsk_process_old, struct sock *tw, void *skb, void *header, int result)
{
	return twsk_process(tw, result);
}

SEC("?fentry/inet_twsk_deschedule_put")
int BPF_PROG(fentry_twsk_deschedule, struct sock *tw)
{
	return twsk_deschedule(tw);
}

SEC("?fentry/inet_twsk_kill")
int BPF_PROG(fentry_twsk_kill, struct sock *tw)
{
	return twsk_kill(tw);
}
