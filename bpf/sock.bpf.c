/* SPDX-License-Identifier: GPL-2.0-only */
/* Converts struct sock to struct wire_sock: addresses (16 bytes), ports (host order), options, namespace. All
 * events use this conversion. */
#include "porttrace.bpf.h"
#include "read.bpf.h"
#include "compat.bpf.h"

const volatile bool has_cookies = true;

static __always_inline void addr_map_ipv4(__u8 *out, __u32 addr)
{
	__u32 *words = (__u32 *)out;

	words[0] = words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = addr;
}

/* The kernel has CONFIG_MPTCP. */
#define HAS_MPTCP bpf_core_field_exists(struct tcp_sock, is_mptcp)

/* Inlined in this file: each call needs a stack frame, and their number is limited. */
static __always_inline __u16 protocol_of(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);

	return READ_BITS(sk, sk_protocol);
}

/*
 * An accepted MPTCP socket has the cookie of its listener, because mptcp_sk_clone_init() in
 * net/mptcp/protocol.c copies the listener by sk_clone_lock(), which keeps the cookie. The token of the
 * connection distinguishes the two.
 */
__hidden __u64 sock_cookie(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	__u64 cookie = READ(sk, __sk_common.skc_cookie.counter);
	struct mptcp_sock *msk = TYPED(struct mptcp_sock, untyped);
	__u8 state = READ(sk, __sk_common.skc_state);

	/* No cookie equals a kernel address. Sockets created later have cookies, so a reused address is no risk. */
	if (!has_cookies && !cookie)
		return (__u64)untyped;
	if (!HAS_MPTCP || state == WIRE_TCP_TIME_WAIT || state == WIRE_TCP_NEW_SYN_RECV ||
	    protocol_of(sk) != IPPROTO_MPTCP)
		return cookie;
	if (READ_BITS(msk, pm.server_side))
		cookie |= (__u64)READ(msk, token) << 32;
	return cookie;
}

__hidden __u16 sock_port(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);

	return READ(sk, __sk_common.skc_num);
}

__hidden __u16 sock_protocol(struct sock *untyped)
{
	return protocol_of(untyped);
}

/* Whether it is an internet socket with ports: not raw, not ICMP. */
__hidden bool sock_is_traced(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	__u16 family = READ(sk, __sk_common.skc_family);
	__u16 protocol;

	if (family != AF_INET && family != AF_INET6)
		return false;
	/* A raw socket of IPPROTO_TCP is not TCP: its inet_num is the protocol. */
	if (READ_BITS(sk, sk_type) == SOCK_RAW)
		return false;
	protocol = protocol_of(sk);
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_MPTCP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
}

static __always_inline __u32 inet_flags_fill(struct sock *sk)
{
	struct inet_sock *inet = TYPED(struct inet_sock, sk);
	__u32 flags = 0;

	if (bpf_core_field_exists(inet->inet_flags)) {
		unsigned long bits = READ(inet, inet_flags);

		if (bits & 1UL << INET_FLAGS_FREEBIND)
			flags |= WIRE_FREEBIND;
		if (bits & 1UL << INET_FLAGS_TRANSPARENT)
			flags |= WIRE_TRANSPARENT;
		if (bits & 1UL << INET_FLAGS_BIND_ADDRESS_NO_PORT)
			flags |= WIRE_BIND_ADDRESS_NO_PORT;
	} else {
		struct inet_sock___bitfields *old = (void *)sk;

		/* Kernels this old have no bpf_rdonly_cast(). */
		if (BPF_CORE_READ_BITFIELD_PROBED(old, freebind))
			flags |= WIRE_FREEBIND;
		if (BPF_CORE_READ_BITFIELD_PROBED(old, transparent))
			flags |= WIRE_TRANSPARENT;
		if (BPF_CORE_READ_BITFIELD_PROBED(old, bind_address_no_port))
			flags |= WIRE_BIND_ADDRESS_NO_PORT;
	}
	return flags;
}

/* Fills in the fields that a TIME_WAIT and a request socket do not have (struct sock_common only). */
static __always_inline void full_sock_fill(struct wire_sock *out, struct sock *sk)
{
	__u8 locks = READ_BITS(sk, sk_userlocks);

	out->protocol = READ_BITS(sk, sk_protocol);
	out->uid = READ(sk, sk_uid.val);
	out->flags |= inet_flags_fill(sk);
	if (!(locks & SOCK_BINDPORT_LOCK))
		out->flags |= WIRE_PORT_EPHEMERAL;
	if (locks & SOCK_CONNECT_BIND)
		out->flags |= WIRE_CONNECT_BIND;
	if (READ(sk, __sk_common.skc_flags) & 1UL << SOCK_DEAD)
		out->flags |= WIRE_ORPHAN;
	else if (READ_BITS(sk, sk_kern_sock) && !READ(sk, sk_socket, file))
		out->flags |= WIRE_KERNEL_OWNED;
	if (READ(sk, sk_reuseport_cb))
		out->flags |= WIRE_REUSEPORT_PROG;
}

__hidden void sock_fill(struct wire_sock *out, struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	__u8 reuse = READ_BITS(sk, __sk_common.skc_reuse);

	out->cookie = sock_cookie(sk);
	out->netns = READ(sk, __sk_common.skc_net.net, ns.inum);
	out->ifindex = READ(sk, __sk_common.skc_bound_dev_if);
	out->family = READ(sk, __sk_common.skc_family);
	out->local_port = READ(sk, __sk_common.skc_num);
	out->remote_port = bpf_ntohs(READ(sk, __sk_common.skc_dport));
	out->state = READ(sk, __sk_common.skc_state);
	if (out->family == AF_INET) {
		addr_map_ipv4(out->local_addr, READ(sk, __sk_common.skc_rcv_saddr));
		addr_map_ipv4(out->remote_addr, READ(sk, __sk_common.skc_daddr));
	} else {
		READ_INTO((struct in6_addr *)out->local_addr, sk, __sk_common.skc_v6_rcv_saddr);
		READ_INTO((struct in6_addr *)out->remote_addr, sk, __sk_common.skc_v6_daddr);
	}
	if (reuse)
		out->flags |= WIRE_REUSEADDR;
	if (reuse == SK_FORCE_REUSE)
		out->flags |= WIRE_FORCE_REUSE;
	if (READ_BITS(sk, __sk_common.skc_reuseport))
		out->flags |= WIRE_REUSEPORT;
	if (out->family == AF_INET6 && READ_BITS(sk, __sk_common.skc_ipv6only))
		out->flags |= WIRE_V6ONLY;
	if (out->state == WIRE_TCP_TIME_WAIT || out->state == WIRE_TCP_NEW_SYN_RECV)
		out->protocol = IPPROTO_TCP;
	else
		full_sock_fill(out, sk);
}

__hidden __u32 sock_range(struct sock *untyped)
{
	struct inet_sock *inet = TYPED(struct inet_sock, untyped);
	struct inet_sock___ends *old = (void *)untyped;

	if (bpf_core_field_exists(inet->local_port_range))
		return READ(inet, local_port_range);
	if (bpf_core_field_exists(old->local_port_range))
		return BPF_CORE_READ(old, local_port_range.lo) | (__u32)BPF_CORE_READ(old, local_port_range.hi) << 16;
	return 0;
}

__hidden void sock_fill_range(struct wire_sock *out, struct sock *sk)
{
	__u32 range = sock_range(sk);

	out->range_low = range;
	out->range_high = range >> 16;
}

static __always_inline bool is_mapped(const __u8 *addr)
{
	const __u32 *words = (const __u32 *)addr;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

/* tcp_v6_connect() sets sk_gso_type after it found a route and a source address, and then searches for a port. */
__hidden void sock_fill_search(struct wire_sock *out, struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);

	sock_fill_range(out, untyped);
	if (out->family == AF_INET6 && out->protocol == IPPROTO_TCP && !is_mapped(out->remote_addr) &&
	    !READ(sk, sk_gso_type))
		out->flags |= WIRE_NOT_ROUTED;
}

const volatile __u32 jiffy_us = 0;

/* Of include/linux/timer.h and kernel/time/timer.c. */
#define TIMER_INDEX_SHIFT 22 /* TIMER_ARRAYSHIFT */
#define TIMER_LEVEL_BITS  6  /* LVL_BITS */
#define TIMER_LEVEL_SHIFT 3  /* LVL_CLK_SHIFT */

/*
 * A timer ends at a multiple of the granularity of its wheel level (calc_index() in kernel/time/timer.c): a TIME_WAIT up
 * to 5 s after tw_timer.expires, which is what ss shows. The level is in the flags (timer_set_idx()).
 */
__hidden __u64 timewait_left_ms(struct inet_timewait_sock *untyped)
{
	struct inet_timewait_sock *tw = TYPED(struct inet_timewait_sock, untyped);
	__u32 level = READ(tw, tw_timer.flags) >> TIMER_INDEX_SHIFT >> TIMER_LEVEL_BITS;
	__u32 shift = TIMER_LEVEL_SHIFT * (level & 15);
	unsigned long end = ((READ(tw, tw_timer.expires) >> shift) + 1) << shift;
	long left = end - bpf_jiffies64(); /* jiffies, which are an unsigned long, extended to 64 bits */

	return left > 0 ? (__u64)left * jiffy_us / 1000 : 0;
}

/* 0: the socket has no file. */
static __always_inline __u64 file_inode(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	struct file *file = READ(sk, sk_socket, file);

	if (!file)
		return 0;
	file = TYPED(struct file, file);
	return READ(file, f_inode, i_ino);
}

/* As udp_rqueue_get() in include/net/udp.h. */
static __always_inline __u32 udp_queue(struct sock *untyped)
{
	struct udp_sock *udp = TYPED(struct udp_sock, untyped);
	struct sock *sk = TYPED(struct sock, untyped);
	__s32 bytes = READ(sk, sk_backlog.rmem_alloc.counter);

	if (bpf_core_field_exists(struct udp_sock, forward_deficit))
		bytes -= READ(udp, forward_deficit);
	return bytes > 0 ? bytes : 0;
}

/* The first subflow of an MPTCP socket has its queue. */
static __always_inline struct sock *sock_with_queue(struct sock *untyped, __u16 protocol)
{
	struct sock *sk = TYPED(struct sock, untyped);
	struct mptcp_sock *msk = TYPED(struct mptcp_sock, untyped);

	if (HAS_MPTCP && protocol == IPPROTO_MPTCP)
		sk = READ(msk, first);
	return sk;
}

__hidden void sock_fill_details(struct wire_socket *out, struct sock *sk)
{
	if (out->sock.state == WIRE_TCP_TIME_WAIT) {
		struct inet_timewait_sock *tw = TYPED(struct inet_timewait_sock, sk);

		out->substate = READ(tw, tw_substate);
		out->expires_ms = timewait_left_ms(tw);
	} else if (out->sock.state == WIRE_TCP_LISTEN) {
		struct sock *listener = sock_with_queue(sk, out->sock.protocol);

		out->backlog = READ(listener, sk_max_ack_backlog);
		out->queue = READ(listener, sk_ack_backlog);
	} else if (out->sock.protocol == IPPROTO_UDP || out->sock.protocol == IPPROTO_UDPLITE) {
		out->backlog = READ(TYPED(struct sock, sk), sk_rcvbuf);
		out->queue = udp_queue(sk);
	}
	if (out->sock.state != WIRE_TCP_TIME_WAIT && out->sock.state != WIRE_TCP_NEW_SYN_RECV &&
	    !(out->sock.flags & WIRE_ORPHAN))
		out->inode = file_inode(sk);
}

static __always_inline struct sock *user_of(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	struct mptcp_subflow_context *subflow;
	struct inet_connection_sock *icsk;
	struct tcp_sock *tcp;

	if (!HAS_MPTCP)
		return untyped;
	tcp = TYPED(struct tcp_sock, sk);
	if (READ_BITS(sk, sk_protocol) != IPPROTO_TCP || !READ_BITS(tcp, is_mptcp))
		return untyped;
	icsk = TYPED(struct inet_connection_sock, sk);
	subflow = TYPED(struct mptcp_subflow_context, READ(icsk, icsk_ulp_data));
	return READ(subflow, conn) ?: untyped;
}

__hidden bool sock_fold_subflow(struct wire_sock *out, struct sock *sk)
{
	struct mptcp_sock *msk;
	struct sock *user = sk;

	if (out->protocol == IPPROTO_TCP && out->state != WIRE_TCP_TIME_WAIT &&
	    out->state != WIRE_TCP_NEW_SYN_RECV)
		user = user_of(sk);
	if (!HAS_MPTCP || user == sk)
		return true;
	out->cookie = sock_cookie(user);
	out->protocol = IPPROTO_MPTCP;
	if (BPF_CORE_READ(user, sk_socket, file))
		out->flags &= ~WIRE_KERNEL_OWNED;
	msk = TYPED(struct mptcp_sock, user);
	return (__u64)READ(msk, first) == (__u64)sk;
}

__hidden void sock_set_addr(__u8 *out, const struct sockaddr_in6 *addr)
{
	if (addr->sin6_family == AF_INET6)
		__builtin_memcpy(out, &addr->sin6_addr, 16);
	else /* AF_INET, and AF_UNSPEC, which IPv4 accepts for 0.0.0.0 */
		addr_map_ipv4(out, ((const struct sockaddr_in *)addr)->sin_addr.s_addr);
}

__hidden struct sock *sock_of_socket(struct socket *untyped)
{
	struct socket *socket = TYPED(struct socket, untyped);
	struct sock *sk;

	/* Not READ(): an untyped address can be passed to every kind of function. */
	if (bpf_core_read(&sk, sizeof(sk), &socket->sk) || !sk)
		return NULL;
	return sock_is_traced(sk) ? sk : NULL;
}

__hidden struct sock *sock_of_file(struct file *untyped)
{
	struct file *file = TYPED(struct file, untyped);

	if ((READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	return sock_of_socket(READ(file, private_data));
}

__hidden struct sock *sock_of_fd(int fd)
{
	struct task_struct *task = TYPED(struct task_struct, bpf_get_current_task());
	struct fdtable *table = READ(task, files, fdt);
	struct file **files = READ(table, fd);
	struct file *file = NULL;

	if (fd < 0 || (__u32)fd >= READ(table, max_fds))
		return NULL;
	if (bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file)
		return NULL;
	return sock_of_file(file);
}

__hidden struct sock *sock_of_user(struct sock *sk)
{
	return user_of(sk);
}

__hidden struct sock *sock_of_subflow(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	struct mptcp_sock *msk = TYPED(struct mptcp_sock, untyped);

	if (!HAS_MPTCP || READ_BITS(sk, sk_protocol) != IPPROTO_MPTCP)
		return untyped;
	return READ(msk, first) ?: untyped;
}

/*
 * A connection whose port no bind() requested was accepted by a listener, or got the port by connect()
 * (SOCK_CONNECT_BIND since 6.18) or by bind() to port 0. An accepted one has the backlog of its listener, of
 * which it is a copy (sk_clone_lock()); the others have none.
 */
__hidden void sock_mark_accepted(struct wire_sock *out, struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);

	if (!out->remote_port || out->protocol != IPPROTO_TCP || out->state == WIRE_TCP_TIME_WAIT ||
	    out->state == WIRE_TCP_NEW_SYN_RECV || !(out->flags & WIRE_PORT_EPHEMERAL) ||
	    out->flags & WIRE_CONNECT_BIND || !READ(sk, sk_max_ack_backlog))
		return;
	out->flags |= WIRE_ACCEPTED;
	out->flags &= ~WIRE_PORT_EPHEMERAL;
}

/* Before "tcp: Save v4 address as v4-mapped-v6 in inet_bind2_bucket.v6_rcv_saddr" (6.9), which added
 * addr_type, the lookup of the wildcard bucket compared with :: or with IPv4's 0.0.0.0, never with
 * ::ffff:0.0.0.0. */
static __always_inline __u32 mapped_any_flags(const struct wire_sock *out)
{
	const __u32 *words = (const __u32 *)out->local_addr;

	if (!bpf_core_type_exists(struct inet_bind2_bucket) ||
	    bpf_core_field_exists(struct inet_bind2_bucket, addr_type) || out->family != AF_INET6)
		return 0;
	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff) && !words[3] ? WIRE_MAPPED_ANY_UNSEEN : 0;
}

__hidden __u32 sock_bucket_flags(const struct wire_sock *out, struct sock *untyped)
{
	struct inet_bind_bucket *bucket;

	if (out->protocol != IPPROTO_TCP || out->state == WIRE_TCP_NEW_SYN_RECV)
		return 0;
	if (out->state == WIRE_TCP_TIME_WAIT) {
		struct inet_timewait_sock *tw = TYPED(struct inet_timewait_sock, untyped);

		bucket = TYPED(struct inet_bind_bucket, READ(tw, tw_tb));
	} else {
		struct inet_connection_sock *icsk = TYPED(struct inet_connection_sock, untyped);

		bucket = TYPED(struct inet_bind_bucket, READ(icsk, icsk_bind_hash));
	}
	if (!bucket)
		return 0;
	/* The test of __inet_hash_connect() in net/ipv4/inet_hashtables.c. */
	return mapped_any_flags(out) |
	       (READ(bucket, fastreuse) >= 0 || READ(bucket, fastreuseport) >= 0 ? WIRE_SHARED_BUCKET :
										   WIRE_UNSHARED_BUCKET);
}

__hidden __u32 sock_backlog(struct sock *sk)
{
	return READ(sock_with_queue(sk, protocol_of(sk)), sk_max_ack_backlog);
}
