/* SPDX-License-Identifier: GPL-2.0-only */
/* One handler for each fact about a port, called by every backend: bind, listen, connect, accept, close. Each
 * handler updates counters, then records, then applies the filters, then sends the event. */
#include "porttrace.bpf.h"
#include "read.bpf.h"

static __always_inline bool wanted(const struct wire_sock *sock, const struct wire_task *task,
				   __u32 kind, __u32 error)
{
	return filter_kind(kind, error) && filter_sock(sock) && filter_current(task);
}

/* An event outside the owner's context passes the process filters if its owner did. */
static bool owner_is_wanted(const struct sock_record *record, const struct wire_sock *sock)
{
	return record->flags & RECORD_WANTED && filter_sock(sock);
}

/* A copy of some fields of a record. A pointer to the record would make the verifier follow each of the three
 * maps that it may come from to the end of the program. */
struct record_copy {
	__u64 since_ns; /* 0: not known, or before porttrace */
	__u16 port;	/* 0: there is no record */
	__u16 remote_port;
	__u32 failed; /* errno of an earlier connect() of the same socket */
};

static __always_inline void record_copy_fill(struct record_copy *out, __u64 cookie)
{
	const struct sock_record *record = record_find(cookie);

	if (!record)
		return;
	out->since_ns = record->since_ns;
	out->port = record->sock.local_port;
	out->remote_port = record->sock.remote_port;
	out->failed = record->flags & RECORD_UNESTABLISHED ? record->error : 0;
}

/* The current process took a port, or (with `before`) still has the port that it took before. */
static __always_inline void record_taken_port(const struct wire_sock *sock, const struct wire_task *task,
					      const struct record_copy *before, __u64 now, __u32 flags)
{
	bool same = before && before->port && before->port == sock->local_port;

	record_store(sock, task, bpf_get_current_task(), same ? before->since_ns : now, flags);
}

/* Reports that the socket gave its port back, so that user space drops it. */
static __noinline void release_emit(const struct wire_sock *sock, const struct wire_task *task, bool is_held)
{
	struct wire_release event = {};

	event.sock = *sock;
	event.task = *task;
	event.is_held = is_held;
	emit(&event, WIRE_RELEASE, sizeof(event));
}

/* Looked up only where release events are wanted. */
static __always_inline bool is_held_by_others(struct sock *sk, const struct wire_sock *sock)
{
	return filter_kind(WIRE_RELEASE, 0) && port_is_held(address_of(sk), sock->local_port, sock->protocol);
}

static bool is_udp(const struct wire_sock *sock)
{
	return sock->protocol == IPPROTO_UDP || sock->protocol == IPPROTO_UDPLITE;
}

/* Fills in a closed socket that has no record. inet_put_port() in net/ipv4/inet_hashtables.c clears inet_num
 * and keeps inet_sport. */
static void closed_sock_fill(struct wire_sock *out, struct sock *sk)
{
	struct inet_sock *inet = TYPED(struct inet_sock, sk);

	sock_fill(out, sk);
	if (!out->local_port)
		out->local_port = bpf_ntohs(READ(inet, inet_sport));
	/* An outgoing connection has a record unless that was evicted. Without one, a connection on the port
	 * of a listener was accepted. */
	if (out->remote_port && !is_udp(out) && !(out->flags & WIRE_CONNECT_BIND) &&
	    churn_had_listener(out->netns, out->local_port)) {
		out->flags |= WIRE_ACCEPTED;
		out->flags &= ~WIRE_PORT_EPHEMERAL;
	}
}

static bool port_is_ephemeral(const struct wire_sock *sock)
{
	return sock->flags & WIRE_PORT_EPHEMERAL && sock->local_port;
}

/* The address that a refused bind() used, after the programs of its cgroup, and how far the call got. */
static __noinline void bind_refused_fill(struct wire_sock *out, struct sock *sk, const struct sockaddr_in6 *addr,
					 const struct sockaddr_in6 *effective)
{
	struct cgroup_seen *seen = addr ? cgroup_seen_take(sk) : NULL;

	out->flags |= refusal_flags(seen ? seen->flags : 0, addr);
	if (!effective)
		effective = seen ? &seen->addr : addr;
	if (effective) {
		out->local_port = bpf_ntohs(effective->sin6_port);
		sock_set_addr(out->local_addr, effective);
	}
	if (!out->local_port)
		sock_fill_range(out, sk);
}

/* addr: the argument of bind(); NULL: a send took, or failed to take, any port. */
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
		event.sock.flags &= ~WIRE_PORT_EPHEMERAL; /* no port was selected */
		bind_refused_fill(&event.sock, sk, addr, effective);
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
		record_taken_port(&event.sock, &event.task, NULL, event.hdr.boot_ns,
				  how & WIRE_BIND_IMPLICIT ? RECORD_AUTOBOUND : 0);
	}
	if (!wanted(&event.sock, &event.task, WIRE_BIND, error))
		return;
	/* A call that is refused for another reason would meet the holders next. */
	if (addr && event.sock.local_port &&
	    (error == EADDRINUSE || error == EACCES || (error == EINVAL && event.how & WIRE_BIND_HAD_PORT))) {
		event.failure_id = event.hdr.boot_ns;
		holders_send((__u64)sk, event.sock.local_port, event.sock.protocol, event.failure_id);
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
	struct record_copy before = {};

	sock_fill(&event.sock, sk);
	if (!task_fill(&event.task))
		event.task.uid = event.sock.uid;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	search_take();
	record_copy_fill(&before, event.sock.cookie);
	if (!error) {
		if (!before.port && port_is_ephemeral(&event.sock))
			churn_count(&event.sock, &event.task, CHURN_BY_AUTOBIND);
		churn_add_listener(event.sock.netns, event.sock.local_port);
		record_taken_port(&event.sock, &event.task, &before, event.hdr.boot_ns, 0);
	} else {
		event.sock.flags |= refusal_flags(0, false);
		if (!event.sock.local_port)
			sock_fill_range(&event.sock, sk);
		if (error == EADDRINUSE && !event.sock.local_port)
			churn_count(&event.sock, &event.task, CHURN_FAILED_LISTEN);
	}
	if (!wanted(&event.sock, &event.task, WIRE_LISTEN, error))
		return;
	if (error == EADDRINUSE && event.sock.local_port) {
		event.failure_id = event.hdr.boot_ns;
		holders_send((__u64)sk, event.sock.local_port, event.sock.protocol, event.failure_id);
	}
	emit_outcome(&event, WIRE_LISTEN, sizeof(event), error);
}

/* A connection of this process failed. */
static __always_inline void close_set_failed(struct wire_close *event)
{
	event->how |= WIRE_CLOSE_UNESTABLISHED;
	event->failure_id = event->hdr.boot_ns;
}

/* The socket connects again after a connection that failed. Its close event would report only the last one. Not
 * global: a cookie may be the typed address of the socket (sock_cookie()), which such a function does not take. */
static __noinline void failed_attempt_emit(__u64 cookie, __u64 now)
{
	const struct sock_record *record = record_find(cookie);
	struct wire_close event = {};

	if (!record)
		return;
	event.sock = record->sock;
	event.sock.state = WIRE_TCP_CLOSE;
	event.task = record->owner;
	event.error = record->error;
	event.hdr.boot_ns = now - 1; /* before the event of the new connection */
	if (record->since_ns)
		event.life_ns = event.hdr.boot_ns - record->since_ns;
	close_set_failed(&event);
	if (owner_is_wanted(record, &event.sock) && filter_kind(WIRE_CLOSE, event.error))
		emit_outcome(&event, WIRE_CLOSE, sizeof(event), event.error);
}

/* sk has its port. It may be a subflow of MPTCP; the MPTCP socket gets the port later. */
static __always_inline void connect_fact(struct sock *sk)
{
	struct wire_connect event = {};
	struct record_copy before = {};

	sock_fill(&event.sock, sk);
	/* Not an additional subflow of an existing MPTCP connection. */
	if (!sock_fold_subflow(&event.sock, sk))
		return;
	if (!task_fill(&event.task))
		event.task.uid = event.sock.uid;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	event.duration_ns = search_take();
	event.requested_port = event.sock.flags & WIRE_PORT_EPHEMERAL ? 0 : event.sock.local_port;
	record_copy_fill(&before, event.sock.cookie);
	if (before.failed)
		failed_attempt_emit(event.sock.cookie, event.hdr.boot_ns);
	/* A UDP socket may call connect() repeatedly and keep its port. */
	if (port_is_ephemeral(&event.sock) && before.port != event.sock.local_port)
		churn_count(&event.sock, &event.task,
			    is_udp(&event.sock) ? CHURN_BY_AUTOBIND : CHURN_BY_CONNECT);
	churn_connect(&event.sock, &event.task,
		      before.port == event.sock.local_port && !before.remote_port);
	record_taken_port(&event.sock, &event.task, &before, event.hdr.boot_ns, 0);
	if (wanted(&event.sock, &event.task, WIRE_CONNECT, 0))
		emit(&event, WIRE_CONNECT, sizeof(event));
}

__hidden void on_connect(struct sock *sk)
{
	connect_fact(sk);
}

/* As bind_refused_fill(). */
static __noinline void connect_refused_fill(struct wire_sock *out, struct sock *sk, const struct sockaddr_in6 *addr)
{
	struct cgroup_seen *seen = addr ? cgroup_seen_take(sk) : NULL;

	out->flags |= refusal_flags(seen ? seen->flags : 0, addr);
	if (seen)
		addr = &seen->addr;
	if (addr) {
		sock_set_addr(out->remote_addr, addr);
		out->remote_port = bpf_ntohs(addr->sin6_port);
	}
	sock_fill_search(out, sk);
}

static __always_inline void connect_failed_fact(struct sock *sk, const struct sockaddr_in6 *addr, __u32 error)
{
	struct wire_connect event = {.error = error};

	sock_fill(&event.sock, sk);
	connect_refused_fill(&event.sock, sk, addr);
	if (!task_fill(&event.task))
		event.task.uid = event.sock.uid;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	event.duration_ns = search_take();
	/* connect() of UDP takes a port before it finds that there is no route. */
	event.requested_port = event.sock.flags & WIRE_PORT_EPHEMERAL ? 0 : event.sock.local_port;
	if (!event.sock.local_port && !(event.sock.flags & WIRE_NOT_ROUTED) &&
	    (error == EADDRNOTAVAIL || error == EAGAIN))
		churn_count(&event.sock, &event.task,
			    error == EAGAIN ? CHURN_FAILED_CONNECT_AGAIN : CHURN_FAILED_CONNECT);
	if (!wanted(&event.sock, &event.task, WIRE_CONNECT, error))
		return;
	event.failure_id = event.hdr.boot_ns;
	if (addr && error == EADDRNOTAVAIL && event.sock.local_port)
		holders_send((__u64)sk, event.sock.local_port, event.sock.protocol, event.failure_id);
	emit_outcome(&event, WIRE_CONNECT, sizeof(event), error);
}

__hidden void on_connect_failed(struct sock *sk, const struct sockaddr_in6 *addr, __u32 error)
{
	connect_failed_fact(sk, addr, error);
}

/* Whether this connection took a port before connect() returned the errno: then its close event reports it. Global, so
 * that the verifier checks it once: see holders_send(). */
int failed_with_port(__u64 cookie)
{
	const struct sock_record *record = record_find(cookie);

	return record && record->flags & RECORD_UNESTABLISHED && record->error;
}

/* Inlined, because the kernel limits call chains to eight frames. */
__hidden void on_connect_result(struct sock *sk, const struct sockaddr_in6 *addr, __u32 error)
{
	__u16 protocol = sock_protocol(sk);
	bool udp = protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
	bool is_failed = false;

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
		is_failed = true;
		break;
	case ENONET:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTDOWN:
	case EHOSTUNREACH: /* by a route, or later by ICMP */
		is_failed = !failed_with_port(sock_cookie(sk));
		break;
	case EISCONN: /* on a connection it only means that it is established */
		is_failed = BPF_CORE_READ(sk, __sk_common.skc_state) == WIRE_TCP_LISTEN;
	}
	if (is_failed)
		connect_failed_fact(sk, addr, error);
}

__hidden void on_accept(struct sock *sk)
{
	struct wire_accept event = {};

	sock_fill(&event.sock, sk);
	task_fill(&event.task);
	event.sock.flags |= WIRE_ACCEPTED;
	event.sock.flags &= ~WIRE_PORT_EPHEMERAL;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	record_taken_port(&event.sock, &event.task, NULL, event.hdr.boot_ns, 0);
	if (wanted(&event.sock, &event.task, WIRE_ACCEPT, 0))
		emit(&event, WIRE_ACCEPT, sizeof(event));
}

/*
 * Whether the port stays in use after the last process has closed the socket. The state decides, as in
 * __tcp_close() and tcp_close_state() in net/ipv4/tcp.c. If a reset ends the connection early, a release
 * event reports it.
 */
static bool leaves_timewait(struct sock *untyped, __u8 state)
{
	struct sock *sk = TYPED(struct sock, untyped);

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
	/* Unread data, or SO_LINGER with time 0, makes the kernel send a reset. */
	if (READ(sk, sk_receive_queue.qlen))
		return false;
	return !(READ(sk, __sk_common.skc_flags) & 1UL << SOCK_LINGER) ||
	       READ(sk, sk_lingertime);
}

/* A port of bind() to port 0 that was not connected, which no close event reports: if another program takes the port,
 * the refusal of the next one is explained by it. */
static bool is_lost_reservation(const struct wire_sock *sock, __u32 record_flags)
{
	return port_is_ephemeral(sock) && !sock->remote_port && !(record_flags & RECORD_AUTOBOUND) &&
	       !filter_kind(WIRE_CLOSE, 0);
}

/* Whether the current process is a porttrace, whose scan holds a reference to each file for a moment. */
static __noinline bool is_own_executable(void)
{
	return own_exe && task_exe() == own_exe;
}

/* Whether a connected UDP socket got no datagram from its peer: the kernel notes the CPU of the last one
 * (sk_incoming_cpu_update() in net/ipv4/udp.c and net/ipv6/udp.c). */
static __always_inline bool udp_is_unanswered(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);

	return (int)READ(sk, __sk_common.skc_incoming_cpu) < 0;
}

/* Other processes may connect to it: a listener, or a UDP socket bound to a given port. */
static bool is_server(const struct wire_sock *sock)
{
	if (is_udp(sock))
		return !sock->remote_port && !(sock->flags & WIRE_PORT_EPHEMERAL);
	return sock->state == WIRE_TCP_LISTEN;
}

/* For the explanation of the connects that are refused from now on. Sent whatever the filters are. */
static __noinline void server_closed_emit(const struct wire_sock *sock, const struct wire_task *task)
{
	struct wire_socket event = {.fd = -1};

	event.sock = *sock;
	event.task = *task;
	event.hdr.purpose = WIRE_PURPOSE_SERVER_CLOSED;
	emit(&event, WIRE_SOCKET, sizeof(event));
}

__hidden void on_close(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	__u64 cookie = sock_cookie(sk);
	struct sock_record *record = record_find(cookie);
	__u32 flags = record ? record->flags : 0;
	__u8 state = READ(sk, __sk_common.skc_state);
	struct wire_close event = {};
	bool is_wanted, ends, released, is_current;
	__u32 failed;

	if (record) {
		event.sock = record->sock;
		event.sock.state = state;
		event.error = record->error;
		/* A UDP socket outlives an error; one that had answers has not failed. */
		if (is_udp(&event.sock) && !udp_is_unanswered(sk))
			event.error = 0;
	} else {
		closed_sock_fill(&event.sock, sk);
	}
	if (!event.sock.local_port)
		return;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	if (event.error && flags & RECORD_UNESTABLISHED)
		close_set_failed(&event);
	if (record && record->since_ns)
		event.life_ns = event.hdr.boot_ns - record->since_ns;
	/* The process that drops the last reference may be a kernel thread, or a porttrace that scans the
	 * descriptors: then the owner closed the socket earlier. */
	is_current = task_fill(&event.task) &&
		     ((record && record->owner.pid == event.task.pid) || !is_own_executable());
	if (!is_current)
		event.task = record ? record->owner : (struct wire_task){};
	if (!is_udp(&event.sock) && (flags & RECORD_TIMEWAIT || leaves_timewait(sk, state)))
		event.next_state = WIRE_TCP_TIME_WAIT;
	/* UDP sockets, and TCP sockets without a connection, release the port at once. */
	ends = !event.next_state && (is_udp(&event.sock) || state == WIRE_TCP_CLOSE || state == WIRE_TCP_LISTEN);
	released = ends && !(flags & RECORD_RELEASED);
	if (released && port_is_ephemeral(&event.sock))
		churn_count(&event.sock, record ? &record->owner : &event.task, CHURN_RELEASED);
	/* An orphan with unsent data may hold the port for minutes, so keep its owner; and that of any other for its
	 * release event. */
	if (!record && (event.next_state || (!ends && (READ(sk, sk_wmem_queued) || filter_kind(WIRE_RELEASE, 0)))))
		record_store(&event.sock, &event.task, bpf_get_current_task(), 0, RECORD_CLOSED);
	else if (record && ends)
		record_drop(cookie);
	else if (record)
		record->flags |= RECORD_CLOSED;
	if (event.task.pid && !is_current)
		is_wanted = flags & RECORD_WANTED;
	else
		is_wanted = filter_current(&event.task);
	is_wanted = is_wanted && filter_sock(&event.sock);
	failed = event.how ? event.error : 0;
	if (is_wanted && filter_kind(WIRE_CLOSE, failed))
		emit_outcome(&event, WIRE_CLOSE, sizeof(event), failed);
	else if (is_server(&event.sock))
		server_closed_emit(&event.sock, &event.task);
	if (!is_wanted)
		return;
	if (released && (filter_kind(WIRE_RELEASE, 0) || is_lost_reservation(&event.sock, flags)))
		release_emit(&event.sock, &event.task, is_held_by_others(sk, &event.sock));
}

/* connect(AF_UNSPEC) of UDP releases a port that the kernel selected; the socket stays. */
__hidden void on_disconnect(struct sock *sk)
{
	__u64 cookie = sock_cookie(sk);
	struct sock_record *record = record_find(cookie);

	if (!record || sock_port(sk))
		return;
	churn_count(&record->sock, &record->owner, CHURN_RELEASED);
	if (owner_is_wanted(record, &record->sock))
		release_emit(&record->sock, &record->owner, is_held_by_others(sk, &record->sock));
	record_drop(cookie);
}

/* A send binds an unbound UDP socket (inet_autobind() in inet_send_prepare(), net/ipv4/af_inet.c), or fails
 * with EAGAIN. */
__hidden void on_udp_send(struct sock *untyped, int result)
{
	struct sock *sk = TYPED(struct sock, untyped);
	bool failed = !READ(sk, __sk_common.skc_num);

	if (failed ? result != -EAGAIN :
		     READ_BITS(sk, sk_userlocks) & SOCK_BINDPORT_LOCK || record_find(sock_cookie(sk)))
		return;
	bind_fact(sk, NULL, NULL, failed ? EAGAIN : 0, WIRE_BIND_IMPLICIT);
}

/* A socket keeps an explicitly bound port after its connection or listening ends, until close(). */
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

/* A connection without a record ends while a process still has it, for example one that was accepted before
 * porttrace started. Records the errno for its close event. */
static __noinline void ownerless_close(struct sock *sk, __u32 error, __u32 flags)
{
	struct sock_record *record;
	struct wire_task no_task = {};
	struct wire_sock sock = {};

	closed_sock_fill(&sock, sk);
	if (!sock.local_port || !sock.cookie)
		return;
	if (!error) {
		timewait_begin_ownerless(&sock);
		return;
	}
	record_store(&sock, &no_task, 0, 0, flags);
	record = record_find(sock.cookie);
	if (record)
		record->error = error;
}

/* Whether the socket keeps its port when the connection ends: see tcp_set_state() with TCP_CLOSE in
 * net/ipv4/tcp.c. */
static __always_inline bool keeps_port(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);

	return READ(sk, __sk_common.skc_num) && READ_BITS(sk, sk_userlocks) & SOCK_BINDPORT_LOCK;
}

/* An orphan whose record was evicted ends. No close event follows, so its port is counted as released here. */
static void orphan_close(struct sock *sk)
{
	struct wire_sock sock = {};

	closed_sock_fill(&sock, sk);
	if (!keeps_port(sk) && port_is_ephemeral(&sock))
		churn_count(&sock, NULL, CHURN_RELEASED);
}

/* A connection ended, usually in softirq context: counters and events are attributed to its owner. */
__hidden void on_tcp_closed(struct sock *untyped, int old_state)
{
	struct sock *sk = TYPED(struct sock, untyped);
	struct sock_record *record = record_find(sock_cookie(sock_of_user(sk)));
	__u32 error = READ(sk, sk_err);
	/* tcp_time_wait() creates an inet_timewait_sock and closes this socket, whose state never becomes
	 * TIME_WAIT. */
	bool may_wait = old_state == WIRE_TCP_FIN_WAIT2 || old_state == WIRE_TCP_CLOSING;
	bool is_hooked = timewait_hooked && record && record->flags & RECORD_TIMEWAIT;
	/* SYN_RECV: both ends connected at the same time. ECONNABORTED: `ss -K`, which is no answer. */
	__u32 unestablished = (old_state == WIRE_TCP_SYN_SENT || old_state == WIRE_TCP_SYN_RECV) &&
					      error != ECONNABORTED ?
				      RECORD_UNESTABLISHED :
				      0;
	bool timewait, owner_wanted, still_bound;
	__u32 substate = 0;

	/* The hook may have been skipped: the kernel does not run a kprobe program while another one runs on
	 * the same CPU, for example when a timer interrupt runs a softirq that handles network packets
	 * (trace_call_bpf() in kernel/trace/bpf_trace.c). */
	if (may_wait && (!timewait_hooked || (record && !is_hooked)))
		substate = timewait_find(untyped);
	timewait = substate || is_hooked;
	if (!record) {
		if (!timewait && READ(sk, __sk_common.skc_flags) & 1UL << SOCK_DEAD)
			orphan_close(sk);
		else if (error || (timewait && !timewait_hooked))
			ownerless_close(sk, timewait ? 0 : error, unestablished);
		return;
	}
	record->flags |= record->sock.flags & WIRE_ACCEPTED ? 0 : unestablished;
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
	owner_wanted = owner_is_wanted(record, &record->sock);
	still_bound = keeps_port(sk);
	if (!still_bound && !(record->flags & RECORD_RELEASED)) {
		record->flags |= RECORD_RELEASED;
		if (port_is_ephemeral(&record->sock))
			churn_count(&record->sock, &record->owner, CHURN_RELEASED);
		/* Reported if user space would otherwise keep the port: a process still has the socket, or
		 * its close announced a TIME_WAIT that a reset prevented. */
		if (owner_wanted && (!(record->flags & RECORD_CLOSED) || old_state != WIRE_TCP_LAST_ACK ||
				     filter_kind(WIRE_RELEASE, 0)))
			release_emit(&record->sock, &record->owner, is_held_by_others(sk, &record->sock));
	} else if (still_bound && owner_wanted && !(record->flags & RECORD_CLOSED)) {
		still_bound_emit(sk, record);
	}
	if (record->flags & RECORD_CLOSED)
		record_drop(record->sock.cookie);
}

__hidden void on_sock_error(struct sock *untyped)
{
	struct sock *sk = TYPED(struct sock, untyped);
	struct sock_record *record;
	__u32 error;

	if (READ(sk, __sk_common.skc_state) != WIRE_TCP_ESTABLISHED)
		return;
	error = READ(sk, sk_err);
	record = record_find(sock_cookie(untyped));
	if (!error || !record)
		return;
	record->error = error;
	record->flags |= RECORD_UNESTABLISHED;
}
