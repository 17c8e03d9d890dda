/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every event that reaches porttrace: its kind, layout and meaning.
 *
 * The kernel side fills these, the ring buffer, the iterators and the capture file carry them
 * unchanged, and the model reads nothing else. A kind names a fact about a socket, never the kernel
 * function that showed it.
 *
 * Layout: fixed-width types, largest first, padding written out and zero, size a multiple of eight.
 * Addresses are 16 bytes with IPv4 mapped (::ffff:a.b.c.d), ports are host order. An event grows at
 * its end only; a reader takes min(size, its own) and zeroes the rest.
 */
#ifndef PORTTRACE_WIRE_H
#define PORTTRACE_WIRE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/* clang-format off */
/*
 * X(number, NAME, name, last, has, meaning). Append only; a retired number stays a hole.
 *
 * last: the field up to which an event must reach to be used; what follows may be missing, as in an older
 *       capture, and reads as zero.
 * has:  CALL    sock, task, error and failure_id: the outcome of a call
 *       HOLDER  sock, task and failure_id
 *       SOCK    sock and task
 *       TASK    task
 *       NONE    none of these
 * The enum, the sizes, the required part and the access to these fields are generated from it.
 */
#define WIRE_KINDS(X) \
	X(1,  BIND,      bind,      task,        CALL,   "a port was asked for, by bind() or implicitly, with the outcome")    \
	X(2,  LISTEN,    listen,    task,        CALL,   "a socket was made to listen, with the outcome")                      \
	X(3,  CONNECT,   connect,   task,        CALL,   "an outgoing connection took a local port, or could not")             \
	X(4,  ACCEPT,    accept,    task,        SOCK,   "an incoming connection was handed to a process")                     \
	X(5,  CLOSE,     close,     task,        SOCK,   "the last process closed a socket that had a port")                   \
	X(6,  TIMEWAIT,  timewait,  action,      SOCK,   "a TIME_WAIT began or ended")                                         \
	X(7,  RELEASE,   release,   task,        SOCK,   "a port is free again")                                               \
	X(8,  SOCKET,    socket,    fd,          HOLDER, "a socket that exists, as a scan of the kernel found it")             \
	X(9,  PROCESS,   process,   cmdline_len, TASK,   "what /proc says about a process")                                    \
	X(10, NETNS,     netns,     range_high,  NONE,   "settings and counters of one network namespace")                     \
	X(11, TRAFFIC,   traffic,   remote_port, TASK,   "ports taken by one process towards one destination")                 \
	X(12, LOST,      lost,      reason,      NONE,   "events that did not reach the reader")                               \
	X(13, INTERFACE, interface, name,        NONE,   "the name of a network device")                                       \
	X(14, POOL,      pool,      ends,        NONE,   "how many ports are taken from one address towards one destination")  \
	X(15, MISUSE,    misuse,    limit,       SOCK,   "a process uses ports in a way that makes them run out")              \
	X(16, SEARCH,    search,    buckets,     NONE,   "how long searches for a port took")
/* clang-format on */

enum wire_kind {
#define X(number, NAME, name, last, has, meaning) WIRE_##NAME = number,
	WIRE_KINDS(X)
#undef X
};

/* Every event begins with this. `size` counts it too; `boot_ns` is CLOCK_BOOTTIME. */
struct wire_hdr {
	__u16 size;
	__u16 kind;
	__u16 purpose; /* SOCKET: enum wire_purpose; every other kind: 0 */
	__u16 cpu;
	__u64 boot_ns;
};

/* wire_sock.flags: the socket options that a user sets ... */
#define WIRE_REUSEADDR		   (1U << 0)
#define WIRE_REUSEPORT		   (1U << 1)
#define WIRE_V6ONLY		   (1U << 2)
#define WIRE_FREEBIND		   (1U << 3)
#define WIRE_TRANSPARENT	   (1U << 4)
#define WIRE_BIND_ADDRESS_NO_PORT  (1U << 5)
#define WIRE_OPTIONS		   0x0000ffffU
/* ... and what the kernel knows about it. */
#define WIRE_PORT_EPHEMERAL	   (1U << 16) /* the kernel chose the port: no SOCK_BINDPORT_LOCK */
#define WIRE_KERNEL_OWNED	   (1U << 17) /* no file, and the kernel made it (sk_kern_sock) */
#define WIRE_ORPHAN		   (1U << 18) /* SOCK_DEAD: no process has it any more */
#define WIRE_REUSEPORT_PROG	   (1U << 19) /* a reuseport group of its own (sk_reuseport_cb) */
#define WIRE_CONNECT_BIND	   (1U << 20) /* connect() chose the port (SOCK_CONNECT_BIND, 6.18) */
#define WIRE_FORCE_REUSE	   (1U << 21) /* TCP_REPAIR: sk_reuse is SK_FORCE_REUSE */
#define WIRE_UNSHARED_BUCKET	   (1U << 22) /* bucket fastreuse -1: other connect()s may have the port too */
#define WIRE_ACCEPTED		   (1U << 23) /* seen to come out of a listener */
#define WIRE_SHARED_BUCKET	   (1U << 29) /* a bind() has had the port: closed to every connect() */
#define WIRE_MAPPED_ANY_UNSEEN	   (1U << 30) /* at ::ffff:0.0.0.0, where this kernel's bhash2 does not look for
					       * an IPv6 caller of a single mapped address (6.1 to 6.8) */
/* ... and of a refused call, how far it came. */
#define WIRE_REACHED_CGROUP		   (1U << 24) /* to the cgroup's hook: past seccomp and security modules */
#define WIRE_STOPPED_BEFORE_CGROUP		   (1U << 25) /* the hook is there and did not run */
#define WIRE_REFUSED_BY_CGROUP	   (1U << 26) /* a BPF program of a cgroup said no */
#define WIRE_FILTERED		   (1U << 27) /* the thread's seccomp filter does not simply allow it */
#define WIRE_TENTATIVE		   (1U << 28) /* IFA_F_TENTATIVE: its address is being checked */

/* wire_sock.state: the kernel's TCP states (include/net/tcp_states.h). UDP uses ESTABLISHED and CLOSE. */
enum wire_state {
	WIRE_TCP_ESTABLISHED = 1,
	WIRE_TCP_SYN_SENT = 2,
	WIRE_TCP_SYN_RECV = 3,
	WIRE_TCP_FIN_WAIT1 = 4,
	WIRE_TCP_FIN_WAIT2 = 5,
	WIRE_TCP_TIME_WAIT = 6,
	WIRE_TCP_CLOSE = 7,
	WIRE_TCP_CLOSE_WAIT = 8,
	WIRE_TCP_LAST_ACK = 9,
	WIRE_TCP_LISTEN = 10,
	WIRE_TCP_CLOSING = 11,
	WIRE_TCP_NEW_SYN_RECV = 12,
};

/*
 * A socket. `cookie` identifies it over its life and over the boot (SO_COOKIE, `sk:` of `ss -e`); a
 * TIME_WAIT keeps the cookie of the connection that it came from. 0: unknown.
 * An MPTCP socket is itself, never its subflow.
 */
struct wire_sock {
	__u64 cookie;
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u32 netns;   /* inode number of the network namespace */
	__u32 uid;     /* of the socket (sk_uid), in the initial user namespace */
	__u32 ifindex; /* SO_BINDTODEVICE, 0: none */
	__u32 flags;
	__u16 family;	/* AF_INET, AF_INET6 */
	__u16 protocol; /* IPPROTO_TCP, _UDP, _MPTCP (262), _UDPLITE */
	__u16 local_port;
	__u16 remote_port;
	__u8 state;
	__u8 reserved[7];
};

/* A process: pid is the thread group, comm its leader's name. pid 0: unknown. */
struct wire_task {
	__u64 start_boot_ns; /* with pid, the identity of the process */
	__u64 cgroup_id;     /* cgroup v2 */
	__u32 pid;
	__u32 tid;
	__u32 ppid;
	__u32 uid;
	char comm[16];
};

/* `error` is an errno, positive; 0: the call worked. */

/* wire_bind.how: flags */
#define WIRE_BIND_IMPLICIT 1 /* no bind(): a send took the port */
#define WIRE_BIND_HAD_PORT 2 /* refused, and the socket had a port already */

/* sock.local_*: the address in effect; of a refused bind, the one asked for. */
struct wire_bind {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u64 failure_id;  /* joins the wire_socket events of its holders; 0: they were not scanned for */
	__u64 duration_ns; /* spent in the port search; 0: not measured */
	__u8 requested_addr[16];
	__u32 error;
	__u16 requested_port;
	__u16 how;
	__u16 bound_port; /* WIRE_BIND_HAD_PORT: the port that it had */
	__u16 reserved[3];
};

struct wire_listen {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u64 failure_id;
	__u32 error;
	__u32 backlog;
};

/* sock.remote_*: where to. An `error` says why no port was available; what happens to the connection
 * afterwards is reported by its close. */
struct wire_connect {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u64 failure_id;
	__u64 duration_ns;
	__u32 error;
	__u16 requested_port; /* the port it was bound to before; 0: the kernel was to choose */
	__u16 reserved;
};

struct wire_accept {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
};

struct wire_close {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u64 life_ns;	  /* since the port was taken; 0: not known */
	__u32 error;	  /* what ended the connection when not orderly */
	__u32 next_state; /* WIRE_TCP_TIME_WAIT when the port stays taken, else 0 */
};

enum wire_timewait_action {
	WIRE_TIMEWAIT_ENTER = 1,
	WIRE_TIMEWAIT_EXPIRE = 2,
	WIRE_TIMEWAIT_REUSE = 3,
	WIRE_TIMEWAIT_KILL = 4,
	WIRE_TIMEWAIT_OVERFLOW = 5,
};

/* task: the process that left it. */
struct wire_timewait {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u32 action;
	__u32 substate; /* FIN_WAIT2 until the peer has closed too, then TIME_WAIT; 0: not known */
};

struct wire_release {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
};

/* hdr.purpose of a SOCKET event: why it was read. Append only. */
enum wire_purpose {
	WIRE_PURPOSE_UNSET = 0,	     /* an older capture: failure_id tells, see wire_check() */
	WIRE_PURPOSE_SNAPSHOT = 1,   /* the socket exists */
	WIRE_PURPOSE_HOLDER = 2,     /* it held the port when the refusal `failure_id` happened */
	WIRE_PURPOSE_PORT_USAGE = 3, /* counted, with all others of its namespace, because a refusal was for want
				      * of any port */
	WIRE_PURPOSE_PREFETCH = 4,   /* older captures only: repeated as HOLDER where it was used */
	WIRE_PURPOSE_OWNER_GONE = 5, /* a HOLDER whose owner had exited when the refusal was explained */
};

/*
 * One descriptor of one socket (fd >= 0, task has it), or a socket without any (fd -1; task is then the process
 * that took the port, if that was seen).
 */
/* wire_socket.fd: task has it, by a mapping, an io_uring, a message or a call instead of a descriptor */
#define WIRE_FDLESS 0x7fffffff
struct wire_socket {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u64 failure_id;    /* the refusal that a holder belongs to, else 0 */
	__u64 since_boot_ns; /* when the port was taken, if seen; 0: before porttrace */
	__s32 fd;
	__u32 expires_ms;    /* TIME_WAIT: time left; 0: not known */
	__u32 backlog;	     /* LISTEN */
	__u32 substate;	     /* TIME_WAIT: the state it stands for, FIN_WAIT2 or TIME_WAIT */
	__u64 inode;	     /* of its file, as /proc/PID/fd has it; 0: no file, or not known */
};

/* Texts are bytes as the process or the file system gave them, cut at the size, NUL-terminated.
 * cmdline: arguments separated by NUL, cmdline_len bytes. */
struct wire_process {
	struct wire_hdr hdr;
	struct wire_task task;
	__u32 cmdline_len;
	__u32 reserved;
	char exe[256];
	char cgroup[256];
	char cmdline[512];
};

/* Totals since boot or since the probes were attached, never rates: a reader subtracts. */
struct wire_netns {
	struct wire_hdr hdr;
	__u64 timewait_entered;	   /* TcpExt TW + TWKilled: the kernel's own counters */
	__u64 timewait_reused;	   /* TcpExt TWRecycled */
	__u64 timewait_killed;	   /* TcpExt TWKilled */
	__u64 timewait_overflowed; /* TcpExt TCPTimeWaitOverflow */
	__u64 timewait_live;	   /* sockstat tw */
	__u64 ephemeral_allocated; /* porttrace's own, counted in the kernel */
	__u64 ephemeral_released;
	__u64 ephemeral_failed;
	__u32 netns;
	__u32 tw_reuse;		  /* sysctl net.ipv4.tcp_tw_reuse */
	__u32 unprivileged_start; /* net.ipv4.ip_unprivileged_port_start */
	__u32 reserved_count;	  /* ports of the range that ip_local_reserved_ports takes out */
	__u16 range_low;	  /* net.ipv4.ip_local_port_range */
	__u16 range_high;
	__u32 ends_interval;	  /* 0: asked for in between, or the totals to begin from */
	/* Of ephemeral_allocated: by connect() of TCP, by bind() to port 0, without either. */
	__u64 by_connect;
	__u64 by_bind;
	__u64 by_autobind;
	/* Of ephemeral_failed: by call and errno. */
	__u64 failed_connect;	    /* EADDRNOTAVAIL */
	__u64 failed_connect_again; /* EAGAIN: UDP */
	__u64 failed_bind;	    /* EADDRINUSE */
	__u64 failed_listen;	    /* EADDRINUSE */
	__u64 failed_send;	    /* EAGAIN: UDP */
	__u64 timewait_expired;	    /* with WIRE_NETNS_HOOKED */
	__u32 has;		    /* WIRE_NETNS_* */
	__u32 tw_reuse_delay_ms;    /* net.ipv4.tcp_tw_reuse_delay; where there is none, what it was before */
	__u32 tw_max_buckets;	    /* net.ipv4.tcp_max_tw_buckets */
	/* With WIRE_NETNS_PORT_USAGE: ports of the range with a socket, and those that connect() passes by. */
	__u32 tcp_in_use;
	__u32 udp_in_use;
	__u32 tcp_bound;
	__u64 flows_forgotten; /* of all namespaces: processes and destinations whose counts made room */
};

#define WIRE_NETNS_READ	  1 /* its settings and the kernel's counters were read: it was there */
#define WIRE_NETNS_PORT_USAGE 2 /* the ports were counted; ephemeral_released is of now, not of the last count */
#define WIRE_NETNS_HOOKED 4 /* timewait_*: what hooks have seen, not what the kernel counts itself */
#define WIRE_NETNS_TIMED  8 /* searches for a port are measured (WIRE_SEARCH) */

/* Totals since the probes were attached. */
struct wire_traffic {
	struct wire_hdr hdr;
	struct wire_task task; /* pid, comm */
	__u8 remote_addr[16];
	__u64 allocated;
	__u64 timewait;
	__u32 netns;
	__u16 remote_port;
	__u16 protocol;
	__u8 local_addr[16];
	__u64 released;
	__u64 failed;
	__u64 timewait_overflowed;
};

/*
 * The ports that a search may take from local_addr towards the remote end; remote_port 0: by bind() to port
 * 0, listen() or UDP, for which only the local address counts. At one moment, counted in the kernel's tables.
 */
#define WIRE_POOL_ENDS	  32
#define WIRE_POOL_STEP_MS 2000
struct wire_pool {
	struct wire_hdr hdr;
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u32 netns;
	__u16 remote_port;
	__u16 protocol;
	__u32 capacity;	 /* ports that it has: without those reserved, and for connect() those bound */
	__u32 in_use;	 /* TIME_WAIT included */
	__u32 timewait;
	__u32 first_parity; /* of those in use: on the half of the range that connect() tries first */
	__u16 range_low, range_high; /* as narrowed by IP_LOCAL_PORT_RANGE */
	__u32 reserved;
	__u16 ends[WIRE_POOL_ENDS]; /* TIME_WAITs by the time left, in steps of WIRE_POOL_STEP_MS */
};

enum wire_misuse_kind {
	WIRE_MISUSE_BIND_CONNECT = 1, /* bind(address, 0) before connect(), without IP_BIND_ADDRESS_NO_PORT */
	WIRE_MISUSE_SERVICE_PORT = 2, /* listens on a port of the range that is not reserved */
	WIRE_MISUSE_SELF_CONNECT = 3, /* a TCP connection to itself */
	WIRE_MISUSE_OVERFLOW = 4,     /* TIME_WAITs that did not fit tcp_max_tw_buckets */
};

/* Once for a process and a kind. */
struct wire_misuse {
	struct wire_hdr hdr;
	struct wire_sock sock; /* what is known of it: the listener, or the two ends */
	struct wire_task task; /* pid 0: not known */
	__u64 count;	       /* so far */
	__u32 misuse;	       /* enum wire_misuse_kind */
	__u32 limit;	       /* WIRE_MISUSE_OVERFLOW: tcp_max_tw_buckets */
};

/* Totals since the probes were attached; where a backend measures it. */
#define WIRE_SEARCH_BUCKETS 32
struct wire_search {
	struct wire_hdr hdr;
	__u8 remote_addr[16]; /* with remote_port 0: all of the namespace; else since the first long one */
	__u32 netns;
	__u16 remote_port;
	__u16 connects; /* 1: by connect() of TCP; 0: by bind(), listen() or UDP */
	__u64 total_ns;
	__u64 max_ns;
	__u64 buckets[WIRE_SEARCH_BUCKETS]; /* [n]: 2^n ns and more */
};

enum wire_lost_reason {
	WIRE_LOST_RING = 1,    /* the ring buffer was full */
	WIRE_LOST_MAP = 2,     /* a kernel map was full: an owner or a counter is missing */
	WIRE_LOST_INVALID = 3, /* bytes that are no event */
	WIRE_LOST_TABLE = 4,   /* the port table was full: an entry was evicted */
	WIRE_LOST_MISSED = 5,  /* a return probe missed a call (kprobe) */
	WIRE_LOST_NOT_RUN = 6, /* a probe was hit, and its program not run (probe/missed.h): at most this many */
};

struct wire_lost {
	struct wire_hdr hdr;
	__u64 count; /* since the last such event */
	__u32 reason;
	__u32 reserved;
};

struct wire_interface {
	struct wire_hdr hdr;
	__u32 netns;
	__u32 ifindex;
	char name[16];
};

/* Large enough for any event of the kernel side; PROCESS is made in user space. */
#define WIRE_KERNEL_EVENT_MAX 256

#define WIRE_CHECK_SIZE(NAME, name)                                                      \
	_Static_assert(sizeof(struct wire_##name) % 8 == 0, "wire_" #name " has a ragged end");
#define X(number, NAME, name, last, has, meaning) WIRE_CHECK_SIZE(NAME, name)
WIRE_KINDS(X)
#undef X
_Static_assert(sizeof(struct wire_hdr) == 16, "wire_hdr");
_Static_assert(sizeof(struct wire_sock) == 72, "wire_sock");
_Static_assert(sizeof(struct wire_task) == 48, "wire_task");

#endif
