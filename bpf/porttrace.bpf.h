/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The functions that the BPF programs share, grouped by file. Entry points (fentry, kprobe, tracepoint, iter)
 * convert the arguments of their hook and call one handler per fact.
 *
 * Handlers are __hidden: the verifier checks them from each caller, so they accept both a typed pointer and
 * an untyped address, and read the kernel by READ() (read.bpf.h) or BPF_CORE_READ().
 */
#ifndef PORTTRACE_BPF_H
#define PORTTRACE_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "map_entry.h"
#include "porttrace/churn.h"
#include "porttrace/settings.h"
#include "porttrace/bucket_dump.h"
#include "porttrace/wire.h"

#define AF_INET	      2
#define AF_INET6      10
#define EPERM	      1
#define EAGAIN	      11
#define EACCES	      13
#define EINVAL	      22
#define EADDRINUSE    98
#define EADDRNOTAVAIL 99
#define ENONET	      64
#define ENETDOWN      100
#define ENETUNREACH   101
#define ECONNABORTED  103
#define ECONNRESET    104
#define EISCONN	      106
#define ETIMEDOUT     110
#define ECONNREFUSED  111
#define EHOSTDOWN     112
#define EHOSTUNREACH  113

/*
 * The length of an address that ends with the port: a caller may pass one that is too short for its family. It is read to
 * &addr.sin6_family, not to &addr: the compiler would merge identical calls into one with three lengths, and the verifier
 * check all that follows once for each (229,000 instructions, not 192,000, in clang 14).
 */
#define ADDR_PORT_END 4

/* include/net/sock.h, include/linux/sched.h, include/uapi/linux/stat.h: macros, so not in BTF */
#define SOCK_BINDPORT_LOCK 8
#define SOCK_CONNECT_BIND  16
#define SK_FORCE_REUSE	   2
#define PF_KTHREAD	   0x00200000
#define S_IFMT		   00170000
#define S_IFSOCK	   0140000

/*
 * A function that the verifier checks once for each program, not again from every state of every caller,
 * which shortens the start. The verifier requires an int as result and NULL checks of pointer arguments. Not
 * with PROBE_READ: kernels before 5.12 ("bpf: Support pointers in global func args") refuse pointers as
 * arguments of such a function, and those before 6.x have no stack left for another frame.
 */
#ifdef PROBE_READ
#define GLOBAL_SUBPROG __hidden
#else
#define GLOBAL_SUBPROG __noinline
#endif

/* Whether tracing programs may call bpf_get_socket_cookie() (5.12). */
extern const volatile bool has_cookies;

/* iter.bpf.c: the executable of porttrace, as task_exe() returns it; 0: no scan has run yet. */
extern __u64 own_exe;

/* The verifier allows a typed pointer to become a number only through memory. */
static __always_inline __u64 address_of(const void *pointer)
{
	const void *typed = pointer;
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &typed);
	return address;
}

/* filter.bpf.c: true: the event passes the filters of the command line. Called before an event is built. */
extern const volatile struct settings settings;
bool filter_task(const struct wire_task *task, struct task_struct *kernel_task);
int filter_current(const struct wire_task *task);
int filter_sock(const struct wire_sock *sock);
bool filter_kind(__u32 kind, __u32 error);

/* For a program of iter/bpf_map_elem: writes the key, then the value. See source/map_reader.h. */
static __always_inline int element_write(struct bpf_iter__bpf_map_elem *ctx, __u32 key_size, __u32 value_size)
{
	struct seq_file *seq = ctx->meta->seq;
	void *key = ctx->key, *value = ctx->value;

	if (!key || !value)
		return 0;
	bpf_seq_write(seq, key, key_size);
	bpf_seq_write(seq, value, value_size);
	return 0;
}

/* emit.bpf.c: sends an event to user space. `event` begins with a wire_hdr, which emit() fills in. */
void emit(void *event, __u16 kind, __u16 size);
/* The same for the result of a call. Part of the ring is reserved for errors. */
void emit_outcome(void *event, __u16 kind, __u16 size, __u32 error);
void emit_lost(__u32 reason);

/* sock.bpf.c: struct sock -> struct wire_sock. */
void sock_fill(struct wire_sock *out, struct sock *sk);
/* Sets WIRE_ACCEPTED on a connection that is known to come from a listener. */
void sock_mark_accepted(struct wire_sock *out, struct sock *sk);
/* IP_LOCAL_PORT_RANGE: low end, and high end << 16; 0: not set. Not for a TIME_WAIT or a request socket. */
__u32 sock_range(struct sock *sk);
/* Adds what the refusal of a call that wanted any port depends on: the range of the socket, ... */
void sock_fill_range(struct wire_sock *out, struct sock *sk);
/* ... and whether a connect() came as far as the search for a port. */
void sock_fill_search(struct wire_sock *out, struct sock *sk);
/* WIRE_SHARED_BUCKET or WIRE_UNSHARED_BUCKET; 0: not TCP, or not in any bucket. */
__u32 sock_bucket_flags(const struct wire_sock *out, struct sock *sk);
/* Adds the fields of struct wire_socket: time left and state of a TIME_WAIT, queue length of a listener,
 * inode number of the file. */
void sock_fill_details(struct wire_socket *out, struct sock *sk);
/* Until the TIME_WAIT has ended and its port is free. */
__u64 timewait_left_ms(struct inet_timewait_sock *tw);
/* Replaces the fields of the subflow `sk` by those of its MPTCP socket. Returns false if `sk` is not the
 * first subflow. */
bool sock_fold_subflow(struct wire_sock *out, struct sock *sk);
/* Copies an address; IPv4 is mapped. */
void sock_set_addr(__u8 *out, const struct sockaddr_in6 *addr);
struct sock *sock_of_fd(int fd);
/* Both return NULL if it is not an internet socket with ports. */
struct sock *sock_of_file(struct file *file);
struct sock *sock_of_socket(struct socket *socket);
/* The socket that the process has: for a subflow its MPTCP socket, else `sk`. */
struct sock *sock_of_user(struct sock *sk);
/* The first subflow of an MPTCP socket, else `sk`. */
struct sock *sock_of_subflow(struct sock *sk);
bool sock_is_traced(struct sock *sk);
__u64 sock_cookie(struct sock *sk);
__u16 sock_port(struct sock *sk);
__u16 sock_protocol(struct sock *sk);
__u32 sock_backlog(struct sock *sk);

/* task.bpf.c: fills in the current process. Returns false for a kernel thread. */
int task_fill(struct wire_task *out);
bool task_fill_from(struct wire_task *out, struct task_struct *task);
bool task_under_cgroup(struct task_struct *task);
/* The executable of the current process, as the address of its inode. 0: it has none, or is exiting. */
__u64 task_exe(void);

/* record.bpf.c: the owner of a socket, recorded in process context for events that run in no process. */
struct sock_record {
	struct wire_sock sock; /* its state when it took its port */
	struct wire_task owner;
	__u64 since_ns;
	__u32 error; /* errno that ended the connection */
	__u32 flags;
};
#define RECORD_WANTED	1 /* its process passes the filters */
#define RECORD_CLOSED	2 /* the last process closed the socket */
#define RECORD_TIMEWAIT 4 /* a TIME_WAIT holds its port */
#define RECORD_RELEASED 8 /* its port was released while a process still has the socket */
#define RECORD_UNESTABLISHED 16 /* its outgoing connection ended before it was established */
#define RECORD_AUTOBOUND 32 /* a send of UDP took its port, not a bind() */

struct sock_record *record_find(__u64 cookie);
/* task: the address of the owner's task_struct. now: CLOCK_BOOTTIME, 0 for a port taken before porttrace. */
int record_store(const struct wire_sock *sock, const struct wire_task *owner, __u64 task, __u64 now,
		 __u32 flags);
void record_drop(__u64 cookie);

/* churn.bpf.c: counters, correct even when events are lost. task: the process; NULL: counts for the namespace
 * only. */
int churn_count(const struct wire_sock *sock, const struct wire_task *task, __u32 counter);
/* Counts the ways in which a connection got its port. was_bound: by a bind() before connect(). */
void churn_connect(const struct wire_sock *sock, const struct wire_task *task,
		   bool was_bound);
/* Records that a port has a listener, and whether it has or recently had one. */
void churn_add_listener(__u32 netns, __u16 port);
bool churn_had_listener(__u32 netns, __u16 port);
/* Counts the duration of a search for any port. connects: by connect() of TCP, with the destination in `sk`. */
void churn_search(struct sock *sk, __u64 duration_ns, bool connects);

/* timewait.bpf.c: TIME_WAIT. timewait_hooked: hooks on inet_twsk_*() report it ... */
extern const volatile bool timewait_hooked;
extern __u64 timewait_missed_recovered;
void on_timewait_enter(struct sock *sk, __u32 substate);
void on_timewait_end(struct sock *tw, __u32 action);
void on_timewait_overflow(struct sock *sk);
/* ... otherwise the end of a connection does. */
void timewait_begin(struct sock_record *record, __u32 substate);
void timewait_begin_ownerless(const struct wire_sock *sock);
__u32 timewait_find(struct sock *sk); /* wire_timewait.substate; 0: there is none */
bool timewait_is_full(struct sock *sk);

/* twsk.bpf.c: the hooks of timewait_hooked: calls of kernel functions on a struct inet_timewait_sock, with
 * their results. All return 0. */
int twsk_alloc(struct sock *sk, struct sock *tw, int state);
int twsk_unique(struct sock *tw, int may_reuse);
int twsk_process(struct sock *tw, int result);
int twsk_deschedule(struct sock *tw);
int twsk_kill(struct sock *tw);

/* holder.bpf.c: sends every socket that has this port, in the namespace of the socket at `address`, as
 * wire_socket. Returns 0. */
int holders_send(__u64 address, __u16 port, __u16 protocol, __u64 failure_id);
/* 1: a socket of the namespace and table of this one, but not itself, has the port (a TIME_WAIT counts); else 0, also of
 * MPTCP. */
int port_is_held(__u64 address, __u16 port, __u16 protocol);

/* search.bpf.c: the time that the current thread's call spends in the search for a port. port: the requested
 * one, 0: any. */
void search_enter(struct sock *sk, __u16 port);
void search_enter_connect(struct sock *sk);
struct sock *search_exit(void); /* an untyped address; NULL: its entry was missed */
__u64 search_take(void); /* ns since the previous search_take(); 0: not measured */

/* cgroup.bpf.c: a bind() or connect() as the programs of every cgroup left it. */
struct cgroup_seen {
	__u64 cookie; /* of the socket; 0: already returned by cgroup_seen_take() */
	struct sockaddr_in6 addr;
	__u32 flags; /* WIRE_REACHED_CGROUP, WIRE_REFUSED_BY_CGROUP */
};
/* Returns the call that this thread is in, once. NULL: it did not reach the cgroup hook, or no hook is
 * attached. */
struct cgroup_seen *cgroup_seen_take(struct sock *sk);
/* wire_sock.flags of a refused call. seen_flags: cgroup_seen.flags, or 0. has_cgroup_hook: cgroup programs
 * run for calls of this kind. */
__u32 refusal_flags(__u32 seen_flags, bool has_cgroup_hook);

/*
 * port.bpf.c: the handlers. `error`: a positive errno, or 0. `effective`: the address of a bind() after the
 * programs of its cgroup; NULL: the backend does not see it.
 */
void on_bind(struct sock *sk, const struct sockaddr_in6 *addr, const struct sockaddr_in6 *effective,
	     __u32 error);
void on_listen(struct sock *sk, __u32 backlog, __u32 error);
void on_connect(struct sock *sk);
void on_connect_failed(struct sock *sk, const struct sockaddr_in6 *addr, __u32 error);
/* The result of connect(). A TCP connection that took its port is reported by on_connect() instead. */
void on_connect_result(struct sock *sk, const struct sockaddr_in6 *addr, __u32 error);
void on_accept(struct sock *sk);
void on_close(struct sock *sk);
void on_disconnect(struct sock *sk);
void on_udp_send(struct sock *sk, int result);
void on_tcp_closed(struct sock *sk, int old_state);
/* An ICMP message about a datagram of a connected UDP socket arrived, or another error of a socket. */
void on_sock_error(struct sock *sk);

#endif
