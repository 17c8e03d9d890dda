/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Backend "kprobe": entry points, and a map that keeps the arguments of a call until its return. For kernels
 * without BPF trampolines. A return probe can follow a limited number of concurrent calls and misses the
 * others. So no return probe is on a function that waits for the network; the result of connect() is reported
 * by functions inside it.
 */
#include "porttrace.bpf.h"
#include "function.bpf.h"

/* One slot for each function whose return program needs its arguments, because calls of them nest. */
enum stash_slot {
	STASH_BIND,
	STASH_BIND_SOCKET,
	STASH_KERNEL_BIND,
	STASH_LISTEN,
	STASH_LISTEN_SOCKET,
	STASH_KERNEL_LISTEN,
	STASH_CONNECT,
	STASH_DGRAM_CONNECT,
	STASH_DENIED,
	STASH_AUTOBIND,
	STASH_TWSK_ALLOC,
	STASH_TWSK_UNIQUE,
	STASH_TWSK_PROCESS,
};

/* TIME_WAIT functions run in any context, with softirqs disabled: the CPU number identifies the call, not the
 * thread. */
#define STASH_OF_CPU(slot) ((slot) | 1ULL << 32)

struct stash_key {
	__u64 thread; /* pid_tgid, or the CPU number */
	__u64 slot;
};

struct stash {
	__u64 object;   /* struct sock *, struct socket * or a descriptor */
	__u64 addr; /* struct sockaddr *, or a number */
	__u64 size;
	struct sockaddr_in6 requested;
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct stash_key);
	__type(value, struct stash);
} stashes SEC(".maps");

static __always_inline __u64 stash_thread(__u64 slot)
{
	return slot >> 32 ? bpf_get_smp_processor_id() : bpf_get_current_pid_tgid();
}

static __always_inline int stash_put(__u64 slot, struct stash *stash)
{
	struct stash_key key = {.thread = stash_thread(slot), .slot = slot};

	if (!bpf_map_update_elem(&stashes, &key, stash, BPF_NOEXIST))
		return 0;
	/* The return probe missed the previous such call of this thread. */
	emit_lost(WIRE_LOST_MISSED);
	bpf_map_update_elem(&stashes, &key, stash, BPF_ANY);
	return 0;
}

static __always_inline int stash_args(__u64 slot, const void *object, const void *addr, __u64 size)
{
	struct stash stash = {.object = (__u64)object, .addr = (__u64)addr, .size = size};

	return stash_put(slot, &stash);
}

/* Copies the address at the entry, because a cgroup program may change the kernel's copy. */
static __always_inline int stash_with_addr(__u64 slot, const void *object, const void *addr, int size)
{
	struct stash stash = {.object = (__u64)object, .addr = (__u64)addr, .size = size};

	addr_read(&stash.requested, addr, size);
	return stash_put(slot, &stash);
}

/* Returns false if the entry probe missed the call. */
static __always_inline bool stash_take(__u64 slot, struct stash *out)
{
	struct stash_key key = {.thread = stash_thread(slot), .slot = slot};
	struct stash *stash = bpf_map_lookup_elem(&stashes, &key);

	if (!stash)
		return false;
	*out = *stash;
	bpf_map_delete_elem(&stashes, &key);
	return true;
}

/* Returns the entry without copying it; it is valid until the next such call of this thread. NULL: the entry
 * probe missed the call. */
static __always_inline struct stash *stash_find(__u64 slot)
{
	struct stash_key key = {.thread = stash_thread(slot), .slot = slot};

	return bpf_map_lookup_elem(&stashes, &key);
}

static __always_inline int stash_drop(__u64 slot)
{
	struct stash_key key = {.thread = stash_thread(slot), .slot = slot};

	bpf_map_delete_elem(&stashes, &key);
	return 0;
}

static __always_inline bool stash_has(__u64 slot)
{
	return stash_find(slot);
}

SEC("?kprobe/__sys_bind_socket")
int BPF_KPROBE(kprobe_bind_socket, struct socket *socket, void *addr, int size)
{
	/* If a system call called this function, kprobe_bind_exit reports the call. */
	return stash_has(STASH_BIND) ? 0 : stash_with_addr(STASH_BIND_SOCKET, socket, addr, size);
}

SEC("?kretprobe/__sys_bind_socket")
int BPF_KRETPROBE(kprobe_bind_socket_exit, int result)
{
	struct stash *stash = stash_find(STASH_BIND_SOCKET);
	struct sock *sk = stash ? sock_of_socket((void *)stash->object) : NULL;

	if (sk)
		on_bind(sk, &stash->requested, NULL, -result);
	return stash_drop(STASH_BIND_SOCKET);
}

SEC("?kprobe/__sys_bind")
int BPF_KPROBE(kprobe_bind, int fd, void *addr, int size)
{
	struct stash stash = {.object = fd};

	addr_read_user(&stash.requested, addr, size);
	return stash_put(STASH_BIND, &stash);
}

SEC("?kretprobe/__sys_bind")
int BPF_KRETPROBE(kprobe_bind_exit, int result)
{
	struct stash *stash = stash_find(STASH_BIND);
	struct sock *sk = stash ? sock_of_fd(stash->object) : NULL;

	if (sk)
		on_bind(sk, &stash->requested, NULL, -result);
	return stash_drop(STASH_BIND);
}

SEC("?kprobe/kernel_bind")
int BPF_KPROBE(kprobe_kernel_bind, struct socket *socket, void *addr, int size)
{
	return stash_with_addr(STASH_KERNEL_BIND, socket, addr, size);
}

SEC("?kretprobe/kernel_bind")
int BPF_KRETPROBE(kprobe_kernel_bind_exit, int result)
{
	struct stash *stash = stash_find(STASH_KERNEL_BIND);
	struct sock *sk = stash ? sock_of_socket((void *)stash->object) : NULL;

	if (sk && !is_subflow(sk))
		on_bind(sk, &stash->requested, NULL, -result);
	return stash_drop(STASH_KERNEL_BIND);
}

static __always_inline int listen_exit(struct sock *sk, __u32 backlog, int result)
{
	if (sk)
		on_listen(sk, result ? backlog : sock_backlog(sk), -result);
	return 0;
}

SEC("?kprobe/__sys_listen_socket")
int BPF_KPROBE(kprobe_listen_socket, struct socket *socket, int backlog)
{
	return stash_has(STASH_LISTEN) ? 0 : stash_args(STASH_LISTEN_SOCKET, socket, NULL, backlog);
}

SEC("?kretprobe/__sys_listen_socket")
int BPF_KRETPROBE(kprobe_listen_socket_exit, int result)
{
	struct stash stash;

	if (!stash_take(STASH_LISTEN_SOCKET, &stash))
		return 0;
	return listen_exit(sock_of_socket((void *)stash.object), stash.size, result);
}

SEC("?kprobe/__sys_listen")
int BPF_KPROBE(kprobe_listen, int fd, int backlog)
{
	return stash_args(STASH_LISTEN, (void *)(long)fd, NULL, backlog);
}

SEC("?kretprobe/__sys_listen")
int BPF_KRETPROBE(kprobe_listen_exit, int result)
{
	struct stash stash;

	if (!stash_take(STASH_LISTEN, &stash))
		return 0;
	return listen_exit(sock_of_fd(stash.object), stash.size, result);
}

SEC("?kprobe/kernel_listen")
int BPF_KPROBE(kprobe_kernel_listen, struct socket *socket, int backlog)
{
	return stash_args(STASH_KERNEL_LISTEN, socket, NULL, backlog);
}

SEC("?kretprobe/kernel_listen")
int BPF_KRETPROBE(kprobe_kernel_listen_exit, int result)
{
	struct stash stash;
	struct sock *sk;

	if (!stash_take(STASH_KERNEL_LISTEN, &stash))
		return 0;
	sk = sock_of_socket((void *)stash.object);
	return sk && is_subflow(sk) ? 0 : listen_exit(sk, stash.size, result);
}

/* tcp_v4_connect(), tcp_v6_connect(): called by every connect(), of the kernel too. */
static __always_inline int connect_enter(struct sock *sk, const void *addr, int size)
{
	/* tcp_v6_connect() calls tcp_v4_connect() for an IPv4-mapped address: the inner call reports it. */
	stash_drop(STASH_CONNECT);
	return stash_args(STASH_CONNECT, sk, addr, size);
}

/* Reports the result of a call on a socket whose entry stored the address. */
static __always_inline int connect_exit(__u64 slot, int result)
{
	struct sockaddr_in6 requested = {};
	struct stash stash;

	if (!stash_take(slot, &stash))
		return 0;
	addr_read(&requested, (void *)stash.addr, stash.size);
	on_connect_result((struct sock *)stash.object, &requested, -result);
	return 0;
}

/* For functions whose success another program reports. */
static __always_inline int connect_refused_exit(__u64 slot, int result)
{
	return result ? connect_exit(slot, result) : stash_drop(slot);
}

SEC("?kprobe/tcp_v4_connect")
int BPF_KPROBE(kprobe_connect, struct sock *sk, void *addr, int size)
{
	return connect_enter(sk, addr, size);
}

SEC("?kretprobe/tcp_v4_connect")
int BPF_KRETPROBE(kprobe_connect_exit, int result)
{
	/* tcp_v6_connect() to an IPv4-mapped address finds no entry here, because the inner call took it. */
	return connect_refused_exit(STASH_CONNECT, result);
}

SEC("?kprobe/tcp_v6_connect")
int BPF_KPROBE(kprobe_connect6, struct sock *sk, void *addr, int size)
{
	return connect_enter(sk, addr, size);
}

SEC("?kretprobe/tcp_v6_connect")
int BPF_KRETPROBE(kprobe_connect6_exit, int result)
{
	return connect_refused_exit(STASH_CONNECT, result);
}

/* A security module or a cgroup program refuses before the protocol is called. */
SEC("?kprobe/security_socket_connect")
int BPF_KPROBE(kprobe_connect_security, struct socket *socket, void *addr, int size)
{
	struct sock *sk = sock_of_socket(socket);

	return sk ? stash_args(STASH_DENIED, sk, addr, size) : 0;
}

SEC("?kretprobe/security_socket_connect")
int BPF_KRETPROBE(kprobe_connect_security_exit, int result)
{
	return connect_refused_exit(STASH_DENIED, result);
}

SEC("?kprobe/tcp_v4_pre_connect")
int BPF_KPROBE(kprobe_pre_connect, struct sock *sk, void *addr, int size)
{
	return stash_args(STASH_DENIED, sk, addr, size);
}

SEC("?kretprobe/tcp_v4_pre_connect")
int BPF_KRETPROBE(kprobe_pre_connect_exit, int result)
{
	return connect_refused_exit(STASH_DENIED, result);
}

SEC("?kprobe/tcp_v6_pre_connect")
int BPF_KPROBE(kprobe_pre_connect6, struct sock *sk, void *addr, int size)
{
	return stash_args(STASH_DENIED, sk, addr, size);
}

SEC("?kretprobe/tcp_v6_pre_connect")
int BPF_KRETPROBE(kprobe_pre_connect6_exit, int result)
{
	return connect_refused_exit(STASH_DENIED, result);
}

/* A listener cannot connect: __inet_stream_connect() in net/ipv4/af_inet.c refuses before it calls the
 * protocol. */
SEC("?kprobe/__inet_stream_connect")
int BPF_KPROBE(kprobe_stream_connect, struct socket *socket, void *addr, int size)
{
	struct sock *sk = sock_of_socket(socket);
	struct sockaddr_in6 requested = {};

	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_state) != WIRE_TCP_LISTEN)
		return 0;
	addr_read(&requested, addr, size);
	on_connect_result(sk, &requested, EISCONN);
	return 0;
}

SEC("?kprobe/inet_dgram_connect")
int BPF_KPROBE(kprobe_dgram_connect, struct socket *socket, void *addr, int size)
{
	struct sock *sk = sock_of_socket(socket);

	return sk ? stash_args(STASH_DGRAM_CONNECT, sk, addr, size) : 0;
}

SEC("?kretprobe/inet_dgram_connect")
int BPF_KRETPROBE(kprobe_dgram_connect_exit, int result)
{
	return connect_exit(STASH_DGRAM_CONNECT, result);
}

SEC("?kprobe/inet_autobind")
int BPF_KPROBE(kprobe_autobind, struct sock *sk)
{
	return stash_args(STASH_AUTOBIND, sk, NULL, 0);
}

/* A UDP send bound an unbound socket, or no port was free. kprobe_dgram_connect_exit reports a bind by
 * connect(). */
SEC("?kretprobe/inet_autobind")
int BPF_KRETPROBE(kprobe_autobind_exit, int result)
{
	struct stash stash;
	struct sock *sk;
	__u16 protocol;

	if (!stash_take(STASH_AUTOBIND, &stash) || stash_has(STASH_DGRAM_CONNECT))
		return 0;
	sk = (struct sock *)stash.object;
	protocol = sock_protocol(sk);
	if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)
		on_udp_send(sk, result);
	return 0;
}

/* An outgoing TCP connection took a port. kprobe_connect_exit reports that none was free. */
static __always_inline int hash_connect_exit(int result)
{
	struct sock *sk = search_exit();

	if (sk && !result)
		on_connect(sk);
	return 0;
}

SEC("?kprobe/inet_hash_connect")
int BPF_KPROBE(kprobe_hash_connect_enter, void *death_row, struct sock *sk)
{
	search_enter_connect(sk);
	return 0;
}

SEC("?kprobe/inet6_hash_connect")
int BPF_KPROBE(kprobe_hash_connect6_enter, void *death_row, struct sock *sk)
{
	search_enter_connect(sk);
	return 0;
}

SEC("?kretprobe/inet_hash_connect")
int BPF_KRETPROBE(kprobe_hash_connect, int result)
{
	return hash_connect_exit(result);
}

SEC("?kretprobe/inet6_hash_connect")
int BPF_KRETPROBE(kprobe_hash_connect6, int result)
{
	return hash_connect_exit(result);
}

/* For kernels before the tracepoint inet_sk_error_report (5.14). */
SEC("?kprobe/sock_def_error_report")
int BPF_KPROBE(kprobe_sock_error, struct sock *sk)
{
	__u16 protocol = sock_is_traced(sk) ? sock_protocol(sk) : 0;

	if (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)
		on_sock_error(sk);
	return 0;
}

SEC("?kprobe/__inet_accept")
int BPF_KPROBE(kprobe_accept, struct socket *listener, struct socket *socket, struct sock *sk)
{
	if (sock_is_traced(sk))
		on_accept(sk);
	return 0;
}

SEC("?kprobe/security_sock_graft")
int BPF_KPROBE(kprobe_graft, struct sock *sk)
{
	if (sock_is_traced(sk))
		on_accept(sk);
	return 0;
}

SEC("?kprobe/inet_release")
int BPF_KPROBE(kprobe_release, struct socket *socket)
{
	struct sock *sk = sock_of_socket(socket);

	if (sk && !is_subflow(sk))
		on_close(sk);
	return 0;
}

SEC("?kprobe/inet_csk_get_port")
int BPF_KPROBE(kprobe_get_port, struct sock *sk, unsigned short port)
{
	search_enter(sk, port);
	return 0;
}

SEC("?kretprobe/inet_csk_get_port")
int BPF_KRETPROBE(kprobe_get_port_exit)
{
	search_exit();
	return 0;
}

SEC("?kprobe/udp_lib_get_port")
int BPF_KPROBE(kprobe_udp_get_port, struct sock *sk, unsigned short port)
{
	search_enter(sk, port);
	return 0;
}

SEC("?kretprobe/udp_lib_get_port")
int BPF_KRETPROBE(kprobe_udp_get_port_exit)
{
	search_exit();
	return 0;
}

SEC("?kprobe/inet_twsk_alloc")
int BPF_KPROBE(kprobe_twsk_alloc, struct sock *sk, void *death_row, int state)
{
	return stash_args(STASH_OF_CPU(STASH_TWSK_ALLOC), sk, NULL, state);
}

SEC("?kretprobe/inet_twsk_alloc")
int BPF_KRETPROBE(kprobe_twsk_alloc_exit, struct sock *tw)
{
	struct stash stash;

	if (!stash_take(STASH_OF_CPU(STASH_TWSK_ALLOC), &stash))
		return 0;
	return twsk_alloc((struct sock *)stash.object, tw, stash.size);
}

SEC("?kprobe/tcp_twsk_unique")
int BPF_KPROBE(kprobe_twsk_unique, struct sock *sk, struct sock *tw)
{
	return stash_args(STASH_OF_CPU(STASH_TWSK_UNIQUE), tw, NULL, 0);
}

SEC("?kretprobe/tcp_twsk_unique")
int BPF_KRETPROBE(kprobe_twsk_unique_exit, int result)
{
	struct stash stash;

	if (!stash_take(STASH_OF_CPU(STASH_TWSK_UNIQUE), &stash))
		return 0;
	return twsk_unique((struct sock *)stash.object, result);
}

SEC("?kprobe/tcp_timewait_state_process")
int BPF_KPROBE(kprobe_twsk_process, struct sock *tw)
{
	return stash_args(STASH_OF_CPU(STASH_TWSK_PROCESS), tw, NULL, 0);
}

SEC("?kretprobe/tcp_timewait_state_process")
int BPF_KRETPROBE(kprobe_twsk_process_exit, int result)
{
	struct stash stash;

	if (!stash_take(STASH_OF_CPU(STASH_TWSK_PROCESS), &stash))
		return 0;
	return twsk_process((struct sock *)stash.object, result);
}

SEC("?kprobe/inet_twsk_deschedule_put")
int BPF_KPROBE(kprobe_twsk_deschedule, struct sock *tw)
{
	return twsk_deschedule(tw);
}

SEC("?kprobe/inet_twsk_kill")
int BPF_KPROBE(kprobe_twsk_kill, struct sock *tw)
{
	return twsk_kill(tw);
}
