/* SPDX-License-Identifier: GPL-2.0-only */
/* The facts about ports, one handler each, whichever backend saw it: a port was asked for, listened on,
 * taken by a connection, closed. Counters first, then records, then filters, then the event. */
#include "porttrace.bpf.h"
#include "read.bpf.h"

static __always_inline bool wanted(const struct wire_sock *sock, const struct wire_task *task,
				   __u32 kind, __u32 error)
{
	return filter_kind(kind, error) && filter_sock(sock) && filter_current(task);
}

/* What happened without a process of its own is its owner's: wanted if the owner was. */
static bool wanted_of(const struct sock_record *record, const struct wire_sock *sock)
{
	return record->flags & RECORD_WANTED && filter_sock(sock);
}

/* What was remembered of a socket, in numbers: the verifier follows every record that there may be to the
 * end of a program that keeps a pointer to it. */
struct known {
	__u64 since_ns; /* 0: not, or before porttrace */
	__u16 port;	/* 0: nothing is known */
	__u16 remote_port;
	__u32 reserved;
};

static __always_inline void known_fill(struct known *out, __u64 cookie)
{
	const struct sock_record *record = record_find(cookie);

	if (!record)
		return;
	out->since_ns = record->since_ns;
	out->port = record->sock.local_port;
	out->remote_port = record->sock.remote_port;
}

/* The current process has taken a port, or goes on with one that it has (`before`) since it took it. */
static __always_inline void record_take(const struct wire_sock *sock, const struct wire_task *task,
					const struct known *before, __u64 now)
{
	bool same = before && before->port && before->port == sock->local_port;

	record_store(sock, task, bpf_get_current_task(), same ? before->since_ns : now, 0);
}

/* The socket's port is free again, or was never really taken: user space must not keep it. */
static __noinline void release_emit(const struct wire_sock *sock, const struct wire_task *task)
{
	struct wire_release event = {};

	event.sock = *sock;
	event.task = *task;
	emit(&event, WIRE_RELEASE, sizeof(event));
}

static bool is_udp(const struct wire_sock *sock)
{
	return sock->protocol == IPPROTO_UDP || sock->protocol == IPPROTO_UDPLITE;
}

/* What a socket without a record was: inet_put_port() clears inet_num and leaves inet_sport. */
static void ended_sock_fill(struct wire_sock *out, struct sock *sk)
{
	struct inet_sock *inet = AS(struct inet_sock, sk);

	sock_fill(out, sk);
	if (!out->local_port)
		out->local_port = bpf_ntohs(READ(inet, inet_sport));
	/* An outgoing connection has a record, unless many others made it go; this one came in, on its
	 * listener's port. */
	if (out->remote_port && !is_udp(out) && !(out->flags & WIRE_CONNECT_BIND) &&
	    churn_was_listened(out->netns, out->local_port)) {
		out->flags |= WIRE_ACCEPTED;
		out->flags &= ~WIRE_PORT_EPHEMERAL;
	}
}

static bool port_is_ephemeral(const struct wire_sock *sock)
{
	return sock->flags & WIRE_PORT_EPHEMERAL && sock->local_port;
}

/* What was asked for, as the kernel's own code saw it, and how far the call came. */
static __noinline void bind_refused(struct wire_sock *out, struct sock *sk, const struct sockaddr_in6 *addr,
				    const struct sockaddr_in6 *effective)
{
	struct asked *asked = addr ? cgroup_seen_take(sk) : NULL;

	out->flags |= refused_flags(asked ? asked->flags : 0, addr);
	if (!effective)
		effective = asked ? &asked->addr : addr;
	if (!effective)
		return;
	out->local_port = bpf_ntohs(effective->sin6_port);
	sock_set_addr(out->local_addr, effective);
}

/* addr: what bind() was given; NULL: a send took, or wanted, any port. */
static __always_inline void bind_fact(struct sock *sk, const struct sockaddr_in6 *addr,
				      const struct sockaddr_in6 *effective, __u32 error, __u16 how)
{
	struct wire_bind event = {.error = error, .how = how};

	sock_fill(&event.sock, sk);
	if (!task_fill(&event.task))
		event.task.uid = event.sock.uid;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	event.duration_ns = search_take();
	if (addr) {
		event.requested_port = bpf_ntohs(addr->sin6_port);
		if (error && event.sock.local_port) {
			event.how |= WIRE_BIND_HAD_PORT;
			event.bound_port = event.sock.local_port;
		}
		sock_set_addr(event.requested_addr, addr);
	}
	if (error) {
		event.sock.flags &= ~WIRE_PORT_EPHEMERAL; /* nothing was chosen */
		bind_refused(&event.sock, sk, addr, effective);
	} else if (addr) {
		cgroup_seen_take(sk);
	}
	if (!event.sock.local_port && (error == EADDRINUSE || error == EAGAIN))
		churn_count(&event.sock, &event.task,
			    how & WIRE_BIND_IMPLICIT ? CHURN_FAILED_SEND : CHURN_FAILED_BIND);
	if (!error && event.sock.local_port) {
		if (port_is_ephemeral(&event.sock))
			churn_count(&event.sock, &event.task,
				    how & WIRE_BIND_IMPLICIT ? CHURN_BY_AUTOBIND : CHURN_BY_BIND);
		record_take(&event.sock, &event.task, NULL, event.hdr.boot_ns);
	}
	if (!wanted(&event.sock, &event.task, WIRE_BIND, error))
		return;
	if (addr && error == EADDRINUSE && event.sock.local_port) {
		event.failure_id = event.hdr.boot_ns;
		holders_emit((__u64)sk, event.sock.local_port, event.sock.protocol, event.failure_id);
	}
	emit_outcome(&event, WIRE_BIND, sizeof(event), error);
}

__hidden void on_bind(struct sock *sk, const struct sockaddr_in6 *addr, const struct sockaddr_in6 *effective,
		      __u32 error)
{
	bind_fact(sk, addr, effective, error, 0);
}

__hidden void on_listen(struct sock *sk, __u32 backlog, __u32 error)
{
	struct wire_listen event = {.error = error, .backlog = backlog};
	struct known before = {};

	sock_fill(&event.sock, sk);
	if (!task_fill(&event.task))
		event.task.uid = event.sock.uid;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	search_take();
	known_fill(&before, event.sock.cookie);
	if (!error) {
		if (!before.port && port_is_ephemeral(&event.sock))
			churn_count(&event.sock, &event.task, CHURN_BY_AUTOBIND);
		churn_listen(event.sock.netns, event.sock.local_port);
		record_take(&event.sock, &event.task, &before, event.hdr.boot_ns);
	} else {
		event.sock.flags |= refused_flags(0, false);
		if (error == EADDRINUSE && !event.sock.local_port)
			churn_count(&event.sock, &event.task, CHURN_FAILED_LISTEN);
	}
	if (!wanted(&event.sock, &event.task, WIRE_LISTEN, error))
		return;
	if (error == EADDRINUSE && event.sock.local_port) {
		event.failure_id = event.hdr.boot_ns;
		holders_emit((__u64)sk, event.sock.local_port, event.sock.protocol, event.failure_id);
	}
	emit_outcome(&event, WIRE_LISTEN, sizeof(event), error);
}

/* sk has its port; of MPTCP it may be the subflow, whose port the MPTCP socket gets later. */
static __always_inline void connect_fact(struct sock *sk)
{
	struct wire_connect event = {};
	struct known before = {};

	sock_fill(&event.sock, sk);
	/* A subflow that MPTCP adds to a connection by itself is not another connection. */
	if (!sock_fold_subflow(&event.sock, sk))
		return;
	if (!task_fill(&event.task))
		event.task.uid = event.sock.uid;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	event.duration_ns = search_take();
	event.requested_port = event.sock.flags & WIRE_PORT_EPHEMERAL ? 0 : event.sock.local_port;
	known_fill(&before, event.sock.cookie);
	/* A UDP socket may connect() as often as it likes; the port is the one it had. */
	if (port_is_ephemeral(&event.sock) && before.port != event.sock.local_port)
		churn_count(&event.sock, &event.task,
			    is_udp(&event.sock) ? CHURN_BY_AUTOBIND : CHURN_BY_CONNECT);
	churn_connect(&event.sock, &event.task,
		      before.port == event.sock.local_port && !before.remote_port);
	record_take(&event.sock, &event.task, &before, event.hdr.boot_ns);
	if (wanted(&event.sock, &event.task, WIRE_CONNECT, 0))
		emit(&event, WIRE_CONNECT, sizeof(event));
}

__hidden void on_connect(struct sock *sk)
{
	connect_fact(sk);
}

/* As bind_refused(). */
static __noinline void connect_refused(struct wire_sock *out, struct sock *sk, const struct sockaddr_in6 *addr)
{
	struct asked *asked = addr ? cgroup_seen_take(sk) : NULL;

	out->flags |= refused_flags(asked ? asked->flags : 0, addr);
	if (asked)
		addr = &asked->addr;
	if (!addr)
		return;
	sock_set_addr(out->remote_addr, addr);
	out->remote_port = bpf_ntohs(addr->sin6_port);
}

static __always_inline void connect_failed_fact(struct sock *sk, const struct sockaddr_in6 *addr, __u32 error)
{
	struct wire_connect event = {.error = error};

	sock_fill(&event.sock, sk);
	connect_refused(&event.sock, sk, addr);
	if (!task_fill(&event.task))
		event.task.uid = event.sock.uid;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	event.duration_ns = search_take();
	event.requested_port = event.sock.local_port;
	if (!event.sock.local_port && (error == EADDRNOTAVAIL || error == EAGAIN))
		churn_count(&event.sock, &event.task,
			    error == EAGAIN ? CHURN_FAILED_CONNECT_AGAIN : CHURN_FAILED_CONNECT);
	if (!wanted(&event.sock, &event.task, WIRE_CONNECT, error))
		return;
	event.failure_id = event.hdr.boot_ns;
	if (addr && error == EADDRNOTAVAIL && event.sock.local_port)
		holders_emit((__u64)sk, event.sock.local_port, event.sock.protocol, event.failure_id);
	emit_outcome(&event, WIRE_CONNECT, sizeof(event), error);
}

__hidden void on_connect_failed(struct sock *sk, const struct sockaddr_in6 *addr, __u32 error)
{
	connect_failed_fact(sk, addr, error);
}

/* The kernel follows eight calls and no more: hence the inlining. */
__hidden void on_connect_result(struct sock *sk, const struct sockaddr_in6 *addr, __u32 error)
{
	__u16 protocol = sock_protocol(sk);
	bool udp = protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;

	switch (error) {
	case 0:
		if (udp && !addr->sin6_family)
			on_disconnect(sk);
		else if (udp)
			connect_fact(sk);
		break;
	case EPERM:
	case EAGAIN:
	case EACCES:
	case EINVAL:
	case EADDRINUSE:
	case EADDRNOTAVAIL:
		connect_failed_fact(sk, addr, error);
		break;
	case EISCONN: /* of a connection it is how programs ask whether it stands */
		if (BPF_CORE_READ(sk, __sk_common.skc_state) == WIRE_TCP_LISTEN)
			connect_failed_fact(sk, addr, error);
	}
}

__hidden void on_accept(struct sock *sk)
{
	struct wire_accept event = {};

	sock_fill(&event.sock, sk);
	task_fill(&event.task);
	event.sock.flags |= WIRE_ACCEPTED;
	event.sock.flags &= ~WIRE_PORT_EPHEMERAL;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	record_take(&event.sock, &event.task, NULL, event.hdr.boot_ns);
	if (wanted(&event.sock, &event.task, WIRE_ACCEPT, 0))
		emit(&event, WIRE_ACCEPT, sizeof(event));
}

/*
 * Whether the port stays taken after the last process has closed the socket: the state decides, as in __tcp_close()
 * and tcp_close_state(). A reset that ends it early is reported by a release event.
 */
static bool leaves_timewait(struct sock *of, __u8 state)
{
	struct sock *sk = AS(struct sock, of);

	switch (state) {
	case WIRE_TCP_ESTABLISHED:
	case WIRE_TCP_SYN_RECV:
	case WIRE_TCP_FIN_WAIT1:
	case WIRE_TCP_FIN_WAIT2:
	case WIRE_TCP_CLOSING:
		break;
	default:
		return false;
	}
	if (sock_protocol(sk) == IPPROTO_MPTCP)
		return true;
	/* Unread data is answered by a reset, as is SO_LINGER with no time. */
	if (READ(sk, sk_receive_queue.qlen))
		return false;
	return !(READ(sk, __sk_common.skc_flags) & 1UL << SOCK_LINGER) ||
	       READ(sk, sk_lingertime);
}

/* Whether the current process runs the executable of porttrace, whose scan holds a reference to each file. */
static __noinline bool is_own_executable(void)
{
	return own_exe && task_exe() == own_exe;
}

__hidden void on_close(struct sock *of)
{
	struct sock *sk = AS(struct sock, of);
	__u64 cookie = sock_cookie(sk);
	struct sock_record *record = record_find(cookie);
	__u32 flags = record ? record->flags : 0;
	__u8 state = READ(sk, __sk_common.skc_state);
	struct wire_close event = {};
	bool is_wanted, ends, released;

	if (record) {
		event.sock = record->sock;
		event.sock.state = state;
		event.error = record->error;
	} else {
		ended_sock_fill(&event.sock, sk);
	}
	if (!event.sock.local_port)
		return;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	if (record && record->since_ns)
		event.life_ns = event.hdr.boot_ns - record->since_ns;
	/* Whoever puts the last reference may be a kernel thread, or one that just looked: then the owner let
	 * go earlier. */
	if (!task_fill(&event.task) || (!(record && record->owner.pid == event.task.pid) && is_own_executable()))
		event.task = record ? record->owner : (struct wire_task){};
	if (!is_udp(&event.sock) && (flags & RECORD_TIMEWAIT || leaves_timewait(sk, state)))
		event.next_state = WIRE_TCP_TIME_WAIT;
	/* Of UDP, and of TCP without a connection, nothing outlives the socket. */
	ends = !event.next_state && (is_udp(&event.sock) || state == WIRE_TCP_CLOSE || state == WIRE_TCP_LISTEN);
	released = ends && !(flags & RECORD_RELEASED);
	if (released && port_is_ephemeral(&event.sock))
		churn_count(&event.sock, record ? &record->owner : &event.task, CHURN_RELEASED);
	/* An orphan that still has data to send may hold the port for minutes: know whose it was. */
	if (!record && (event.next_state || (!ends && READ(sk, sk_wmem_queued))))
		record_store(&event.sock, &event.task, bpf_get_current_task(), 0, RECORD_CLOSED);
	else if (record && ends)
		record_drop(cookie);
	else if (record)
		record->flags |= RECORD_CLOSED;
	if (event.task.pid && event.task.pid != bpf_get_current_pid_tgid() >> 32)
		is_wanted = flags & RECORD_WANTED;
	else
		is_wanted = filter_current(&event.task);
	if (!is_wanted || !filter_sock(&event.sock))
		return;
	if (filter_kind(WIRE_CLOSE, 0))
		emit(&event, WIRE_CLOSE, sizeof(event));
	if (released && filter_kind(WIRE_RELEASE, 0))
		release_emit(&event.sock, &event.task);
}

/* connect(AF_UNSPEC) of UDP: a port that the kernel chose goes back, the socket stays. */
__hidden void on_disconnect(struct sock *sk)
{
	__u64 cookie = sock_cookie(sk);
	struct sock_record *record = record_find(cookie);

	if (!record || sock_port(sk))
		return;
	churn_count(&record->sock, &record->owner, CHURN_RELEASED);
	if (wanted_of(record, &record->sock))
		release_emit(&record->sock, &record->owner);
	record_drop(cookie);
}

/* A send binds an unbound UDP socket (inet_autobind() in inet_send_prepare()), or says EAGAIN. */
__hidden void on_udp_send(struct sock *of, int result)
{
	struct sock *sk = AS(struct sock, of);
	bool failed = !READ(sk, __sk_common.skc_num);

	if (failed ? result != -EAGAIN :
		     READ_BITS(sk, sk_userlocks) & SOCK_BINDPORT_LOCK || record_find(sock_cookie(sk)))
		return;
	bind_fact(sk, NULL, NULL, failed ? EAGAIN : 0, WIRE_BIND_IMPLICIT);
}

/* A port that was bound explicitly outlives its connection or its listening, until close(). */
static __noinline void still_bound_emit(struct sock *sk, const struct sock_record *record)
{
	struct wire_socket event = {.fd = -1};

	sock_fill(&event.sock, sk);
	event.sock.cookie = record->sock.cookie;
	event.sock.protocol = record->sock.protocol;
	event.task = record->owner;
	event.since_boot_ns = record->since_ns;
	emit(&event, WIRE_SOCKET, sizeof(event));
}

/* An accepted connection that is still open: no process was seen to take its port, but how it ends
 * is what its close must tell. */
static __noinline void ownerless_end(struct sock *sk, __u32 error)
{
	struct sock_record *record;
	struct wire_task no_task = {};
	struct wire_sock sock = {};

	ended_sock_fill(&sock, sk);
	if (!sock.local_port || !sock.cookie)
		return;
	if (!error) {
		timewait_ownerless(&sock);
		return;
	}
	record_store(&sock, &no_task, 0, 0, 0);
	record = record_find(sock.cookie);
	if (record)
		record->error = error;
}

/* Whether a connection that ends leaves its port to the socket: as tcp_set_state(TCP_CLOSE) decides. */
static __always_inline bool keeps_port(struct sock *of)
{
	struct sock *sk = AS(struct sock, of);

	return READ(sk, __sk_common.skc_num) && READ_BITS(sk, sk_userlocks) & SOCK_BINDPORT_LOCK;
}

/* No process will close it any more: many others made its record go, and its port comes back here. */
static void orphan_end(struct sock *sk)
{
	struct wire_sock sock = {};

	ended_sock_fill(&sock, sk);
	if (!keeps_port(sk) && port_is_ephemeral(&sock))
		churn_count(&sock, NULL, CHURN_RELEASED);
}

/* The connection's end, mostly in softirq: everything here is its owner's. */
__hidden void on_tcp_closed(struct sock *of, int old_state)
{
	struct sock *sk = AS(struct sock, of);
	struct sock_record *record = record_find(sock_cookie(sock_of_user(sk)));
	__u32 error = READ(sk, sk_err);
	/* tcp_time_wait() makes a small socket of its own and ends this one: no state says TIME_WAIT. */
	bool may_wait = old_state == WIRE_TCP_FIN_WAIT2 || old_state == WIRE_TCP_CLOSING;
	bool is_hooked = timewait_hooked && record && record->flags & RECORD_TIMEWAIT;
	bool timewait, wanted_here, still_bound;
	__u32 substate = 0;

	/* The hook may have been left out: a kprobe's program is not run where it would interrupt another's, as
	 * the softirq of a timer's interrupt does that goes on with what the network has brought. */
	if (may_wait && (!timewait_hooked || (record && !is_hooked)))
		substate = timewait_left(of);
	timewait = substate || is_hooked;
	if (!record) {
		if (!timewait && READ(sk, __sk_common.skc_flags) & 1UL << SOCK_DEAD)
			orphan_end(sk);
		else if (error || (timewait && !timewait_hooked))
			ownerless_end(sk, timewait ? 0 : error);
		return;
	}
	if (timewait) {
		if (!substate)
			return;
		if (timewait_hooked)
			__sync_fetch_and_add(&timewait_missed_recovered, 1);
		timewait_begin(record, substate);
		return;
	}
	if (!timewait_hooked && may_wait && !error && timewait_is_full(sk))
		on_timewait_overflow(sk);
	if (error)
		record->error = error;
	wanted_here = wanted_of(record, &record->sock);
	still_bound = keeps_port(sk);
	if (!still_bound && !(record->flags & RECORD_RELEASED)) {
		record->flags |= RECORD_RELEASED;
		if (port_is_ephemeral(&record->sock))
			churn_count(&record->sock, &record->owner, CHURN_RELEASED);
		/* Told when user space would otherwise keep the port: a process still has the socket, or
		 * its close promised a TIME_WAIT that a reset has cut short. */
		if (wanted_here && (!(record->flags & RECORD_CLOSED) || old_state != WIRE_TCP_LAST_ACK ||
				    filter_kind(WIRE_RELEASE, 0)))
			release_emit(&record->sock, &record->owner);
	} else if (still_bound && wanted_here && !(record->flags & RECORD_CLOSED)) {
		still_bound_emit(sk, record);
	}
	if (record->flags & RECORD_CLOSED)
		record_drop(record->sock.cookie);
}
