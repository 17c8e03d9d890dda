/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The snapshot iterators: write each existing socket as an event. task_file visits every descriptor of every
 * process in any namespace, so it finds bound and inactive sockets too; tcp and udp find sockets without a
 * descriptor, in the network namespace of the reader.
 */
#include "porttrace.bpf.h"

/* Set by user space before each scan. */
struct scan_settings scan = {};

__u64 own_exe = 0;

/* Checked first, because a scan for one port skips most sockets. */
static bool port_wanted(struct sock *sk)
{
	__u16 port;

	if (!scan.port)
		return true;
	port = sock_port(sk);
	return scan.port_high ? port >= scan.port && port <= scan.port_high : port == scan.port;
}

/* Without branches: the verifier would follow the 64 comparisons as separate paths to the end of the program,
 * which takes 40 ms. */
static bool cookie_wanted(__u64 cookie)
{
	__u64 missing = 1;

	for (__u32 i = 0; i < 64; i++) {
		__u64 differs = scan.cookies[i] ^ cookie, minus = -differs;

		barrier_var(minus);
		missing &= (differs | minus) >> 63;
	}
	return !missing;
}

/* The cookie list applies to scans of descriptors only. */
static bool wanted(const struct wire_sock *sock, bool has_fd)
{
	if (scan.netns && (!scan.port || scan.port_high) && sock->netns != scan.netns)
		return false;
	return !has_fd || !scan.cookie_count || cookie_wanted(sock->cookie);
}

/* A scan for the holders of one refusal ignores the filters of the command line. */
static bool unfiltered(void)
{
	return scan.cookie_count || scan.netns || scan.port || scan.servers;
}

static bool no_task_filter(void)
{
	return !settings.pids.count && !settings.uids.count && !settings.comms.count &&
	       !settings.cgroup_id;
}

static void socket_write(struct seq_file *seq, struct sock *sk, struct task_struct *task, int fd)
{
	struct wire_socket event = {.fd = fd};
	struct sock_record *record;

	sock_fill(&event.sock, sk);
	if (!event.sock.local_port || !sock_fold_subflow(&event.sock, sk) || !wanted(&event.sock, task))
		return;
	sock_fill_details(&event, sk);
	if (settings.record_existing_owners && event.sock.state == WIRE_TCP_LISTEN)
		churn_add_listener(event.sock.netns, event.sock.local_port);
	sock_mark_accepted(&event.sock, sk);
	event.sock.flags |= sock_bucket_flags(&event.sock, sk);
	record = record_find(event.sock.cookie);
	if (record && record->owner.pid) {
		event.since_boot_ns = record->since_ns;
		if (!task)
			event.task = record->owner;
	}
	if (task)
		task_fill_from(&event.task, task);
	/* Only by the first scan: a later one may meet a socket between its bind and the event of that bind, and
	 * on_udp_send() takes a socket with a record for one that was reported. */
	if (settings.record_existing_owners && !unfiltered() && !record && task)
		record_store(&event.sock, &event.task, address_of(task), 0, 0);
	if (!unfiltered()) {
		if (!filter_sock(&event.sock))
			return;
		if (task ? !filter_task(&event.task, task) : !no_task_filter())
			return;
	}
	event.hdr.size = sizeof(event);
	event.hdr.kind = WIRE_SOCKET;
	event.hdr.purpose = WIRE_PURPOSE_SNAPSHOT;
	event.hdr.boot_ns = bpf_ktime_get_boot_ns();
	bpf_seq_write(seq, &event, sizeof(event));
}

/* Returns a typed pointer if the kernel has the helper, because bpf_get_socket_cookie() needs one. */
static __always_inline struct sock *file_sock(struct file *file)
{
	struct socket *socket;

	/* "bpf: Add a bpf_sock_from_file helper" (5.11) */
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_sock_from_file)) {
		socket = bpf_sock_from_file(file);
		return socket ? socket->sk : NULL;
	}
	if ((file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = file->private_data;
	return BPF_CORE_READ(socket, sk);
}

/* Whether the socket may be skipped by its state. */
static __always_inline bool state_wanted(struct sock *sk)
{
	__u8 state;

	if (!scan.servers && !scan.idle)
		return true;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (scan.servers && state != WIRE_TCP_LISTEN && state != WIRE_TCP_CLOSE)
		return false;
	return !scan.idle || state == WIRE_TCP_CLOSE;
}

SEC("?iter/task_file")
int snapshot_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct sock *sk;

	if (!task || !file)
		return 0;
	if (!own_exe)
		own_exe = task_exe();
	sk = file_sock(file);
	if (!sk || !state_wanted(sk) || !port_wanted(sk) || !sock_is_traced(sk))
		return 0;
	if (has_cookies)
		bpf_get_socket_cookie(sk);
	socket_write(ctx->meta->seq, sk, task, ctx->fd);
	return 0;
}

SEC("?iter/tcp")
int snapshot_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *common = ctx->sk_common;

	if (!common || !port_wanted((struct sock *)common))
		return 0;
	if (has_cookies)
		bpf_get_socket_cookie(common);
	socket_write(ctx->meta->seq, (struct sock *)common, NULL, -1);
	return 0;
}

SEC("?iter/udp")
int snapshot_udp(struct bpf_iter__udp *ctx)
{
	struct udp_sock *udp = ctx->udp_sk;

	if (!udp || !port_wanted((struct sock *)udp))
		return 0;
	if (has_cookies)
		bpf_get_socket_cookie(udp);
	socket_write(ctx->meta->seq, (struct sock *)udp, NULL, -1);
	return 0;
}
