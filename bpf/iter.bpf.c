/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The snapshot: walks the sockets that exist and writes the same events as a probe would. task_file
 * finds every descriptor of every process in any namespace, bound and idle sockets included; tcp and udp
 * find what has no descriptor, in the namespace of whoever opens them.
 */
#include "porttrace.bpf.h"

/* Set by user space before each look. */
struct look_settings look = {};

/* Asked first: where a look is for one port, this is all that most sockets cost. */
static bool port_looked_for(struct sock *sk)
{
	return !look.port || sock_port(sk) == look.port;
}

/* Without branches: the verifier follows each to the end of the program, at 40 ms for 64 of them. */
static bool cookie_looked_for(__u64 cookie)
{
	__u64 missing = 1;

	for (__u32 i = 0; i < 64; i++) {
		__u64 differs = look.cookies[i] ^ cookie, minus = -differs;

		barrier_var(minus);
		missing &= (differs | minus) >> 63;
	}
	return !missing;
}

/* Sockets are looked for by their descriptors. */
static bool looked_for(const struct wire_sock *sock, bool has_fd)
{
	if (look.netns && !look.port && sock->netns != look.netns)
		return false;
	return !has_fd || !look.cookie_count || cookie_looked_for(sock->cookie);
}

/* A look for the holders of one refusal is not narrowed by the user's filters. */
static bool unfiltered(void)
{
	return look.failure_id || look.cookie_count || look.netns || look.port;
}

static bool no_task_filter(void)
{
	return !settings.pids.count && !settings.uids.count && !settings.comms.count &&
	       !settings.cgroup_id;
}

/*
 * A connection whose port nobody asked for came by connect() or out of a listener. Since 6.18 the kernel
 * remembers the former (SOCK_CONNECT_BIND, with tw_connect_bind for its TIME_WAIT).
 */
static void tell_accepted(struct wire_sock *sock)
{
	if (bpf_core_field_exists(struct inet_timewait_sock, tw_connect_bind) && sock->remote_port &&
	    sock->protocol == IPPROTO_TCP && sock->state != WIRE_TCP_TIME_WAIT &&
	    sock->flags & WIRE_PORT_CHOSEN && !(sock->flags & WIRE_CONNECT_BIND)) {
		sock->flags |= WIRE_ACCEPTED;
		sock->flags &= ~WIRE_PORT_CHOSEN;
	}
}

static void socket_write(struct seq_file *seq, struct sock *sk, struct task_struct *task, int fd)
{
	struct wire_socket event = {.fd = fd, .failure_id = look.failure_id};
	struct sock_record *record;

	sock_fill(&event.sock, sk);
	if (!event.sock.local_port || !sock_fold_subflow(&event.sock, sk) || !looked_for(&event.sock, task))
		return;
	sock_fill_more(&event, sk);
	if (settings.keep_owners && event.sock.state == WIRE_TCP_LISTEN)
		churn_listen(event.sock.netns, event.sock.local_port);
	tell_accepted(&event.sock);
	record = record_find(event.sock.cookie);
	if (record && record->owner.pid) {
		event.since_boot_ns = record->since_ns;
		if (!task)
			event.task = record->owner;
	}
	if (task)
		task_fill_from(&event.task, task);
	if (settings.keep_owners && !record && task)
		record_store(&event.sock, &event.task, task, 0, 0);
	if (!unfiltered()) {
		if (!filter_sock(&event.sock))
			return;
		if (task ? !filter_task(&event.task, task) : !no_task_filter())
			return;
	}
	event.hdr.size = sizeof(event);
	event.hdr.kind = WIRE_SOCKET;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	bpf_seq_write(seq, &event, sizeof(event));
}

SEC("?iter/task_file")
int snapshot_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct socket *socket;
	struct sock *sk;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = socket->sk;
	if (!sk || !port_looked_for(sk) || !sock_is_traced(sk))
		return 0;
	bpf_get_socket_cookie(sk);
	socket_write(ctx->meta->seq, sk, task, ctx->fd);
	return 0;
}

SEC("?iter/tcp")
int snapshot_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;

	if (!common || !port_looked_for((struct sock *)common))
		return 0;
	bpf_get_socket_cookie(common);
	socket_write(ctx->meta->seq, (struct sock *)common, NULL, -1);
	return 0;
}

SEC("?iter/udp")
int snapshot_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *udp = ctx->udp_sk;

	if (!udp || !port_looked_for((struct sock *)udp))
		return 0;
	bpf_get_socket_cookie(udp);
	socket_write(ctx->meta->seq, (struct sock *)udp, NULL, -1);
	return 0;
}
