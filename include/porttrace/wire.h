/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every event: its kind, layout and meaning.
 *
 * The BPF programs fill events in; the ring buffer, the iterators and the capture file carry them unchanged;
 * the model reads only events. A kind is named after a fact about a socket, not after the kernel function
 * that reported it.
 *
 * Layout: fixed-width types, largest first, explicit zero padding, size a multiple of 8. Addresses have 16
 * bytes with IPv4 mapped (::ffff:a.b.c.d); ports are in host order. New fields are added at the end only; a
 * reader copies min(size, its own size) bytes and zeroes the rest.
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
 * last: the last required field: a shorter event is invalid. Later fields may be missing, in older captures,
 *       and are then zero.
 * has:  CALL    sock, task, error and failure_id: the result of a call
 *       HOLDER  sock, task and failure_id
 *       SOCK    sock and task
 *       TASK    task
 *       NONE    none of these
 * enum wire_kind, struct wire_layout and the functions in src/model/wire_event.c are generated from this list.
 */
#define WIRE_KINDS(X) \
	X(1,  BIND,      bind,      task,        CALL,   "bind(), or a send that bound the socket, with its result")           \
	X(2,  LISTEN,    listen,    task,        CALL,   "listen(), with its result")                                          \
	X(3,  CONNECT,   connect,   task,        CALL,   "an outgoing connection took a local port, or got none")              \
	X(4,  ACCEPT,    accept,    task,        SOCK,   "accept() returned a connection to a process")                        \
	X(5,  CLOSE,     close,     task,        HOLDER, "the last process closed a socket that had a port")                   \
	X(6,  TIMEWAIT,  timewait,  action,      SOCK,   "a TIME_WAIT began or ended")                                         \
	X(7,  RELEASE,   release,   task,        SOCK,   "a port was released")                                                \
	X(8,  SOCKET,    socket,    fd,          HOLDER, "a scan found this existing socket")                                  \
	X(9,  PROCESS,   process,   cmdline_len, TASK,   "executable, arguments and cgroup of a process, from /proc")          \
	X(10, NETNS,     netns,     range_high,  NONE,   "settings and counters of one network namespace")                     \
	X(11, TRAFFIC,   traffic,   remote_port, TASK,   "ports that one process took for one destination")                    \
	X(12, LOST,      lost,      reason,      NONE,   "events that did not reach the reader")                               \
	X(13, INTERFACE, interface, name,        NONE,   "the name of a network device")                                       \
	X(14, POOL,      pool,      ends,        NONE,   "ports in use from one address to one destination")                   \
	X(15, MISUSE,    misuse,    limit,       SOCK,   "a process uses ports in a way that exhausts them")                   \
	X(16, SEARCH,    search,    buckets,     NONE,   "the duration of port searches")
/* clang-format on */

enum wire_kind {
#define X(number, NAME, name, last, has, meaning) WIRE_##NAME = number,
	WIRE_KINDS(X)
#undef X
};

/* Every event begins with this. `size` includes it; `boot_ns` is CLOCK_BOOTTIME. */
struct wire_hdr {
	__u16 size;
	__u16 kind;
	__u16 purpose; /* SOCKET: enum wire_purpose; every other kind: 0 */
	__u16 cpu;
	__u64 boot_ns;
};

/* wire_sock.flags: socket options that a program sets ... */
#define WIRE_REUSEADDR		   (1U << 0)
#define WIRE_REUSEPORT		   (1U << 1)
#define WIRE_V6ONLY		   (1U << 2)
#define WIRE_FREEBIND		   (1U << 3)
#define WIRE_TRANSPARENT	   (1U << 4)
#define WIRE_BIND_ADDRESS_NO_PORT  (1U << 5)
#define WIRE_OPTIONS		   0x0000ffffU
/* ... properties of the socket in the kernel ... */
#define WIRE_PORT_EPHEMERAL	   (1U << 16) /* the kernel selected the port: no SOCK_BINDPORT_LOCK */
#define WIRE_KERNEL_OWNED	   (1U << 17) /* created by the kernel, and without a file (sk_kern_sock) */
#define WIRE_ORPHAN		   (1U << 18) /* SOCK_DEAD: every process has closed it */
#define WIRE_REUSEPORT_PROG	   (1U << 19) /* has a reuseport group (sk_reuseport_cb) */
#define WIRE_CONNECT_BIND	   (1U << 20) /* connect() selected the port (SOCK_CONNECT_BIND, 6.18) */
#define WIRE_FORCE_REUSE	   (1U << 21) /* TCP_REPAIR: sk_reuse is SK_FORCE_REUSE */
#define WIRE_UNSHARED_BUCKET	   (1U << 22) /* fastreuse of the bucket is -1: other connect()s share it */
#define WIRE_ACCEPTED		   (1U << 23) /* accepted by a listener */
#define WIRE_SHARED_BUCKET	   (1U << 29) /* a bind() used the bucket: every connect() skips the port */
#define WIRE_MAPPED_ANY_UNSEEN	   (1U << 30) /* bound to ::ffff:0.0.0.0; the bhash2 lookup of this kernel
					       * misses it for an IPv6 caller with a single mapped address
					       * (6.1 to 6.8) */
/* ... and for a refused call, how far it got. */
#define WIRE_REACHED_CGROUP		(1U << 24) /* reached the cgroup hook, past seccomp and security
						    * modules */
#define WIRE_STOPPED_BEFORE_CGROUP	(1U << 25) /* the cgroup hook is attached and did not run */
#define WIRE_REFUSED_BY_CGROUP		(1U << 26) /* a BPF program of a cgroup refused */
#define WIRE_FILTERED			(1U << 27) /* a seccomp filter of the thread may have refused it */
#define WIRE_TENTATIVE			(1U << 28) /* duplicate address detection is running (IFA_F_TENTATIVE) */

#define WIRE_NOT_ROUTED			(1U << 31) /* connect() of IPv6 found no route or no source address,
						    * so it did not search for a port */

/* wire_sock.unknown: what a source without BPF cannot read of this socket */
#define WIRE_UNKNOWN_REUSE   1 /* WIRE_REUSEADDR and WIRE_REUSEPORT */
#define WIRE_UNKNOWN_ORIGIN  2 /* who chose the port: WIRE_PORT_EPHEMERAL, WIRE_ACCEPTED, and the flags of its bucket */
#define WIRE_UNKNOWN_PROCESS 4 /* which process has it open */

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
 * A socket. `cookie` identifies it until the machine restarts (SO_COOKIE, `sk:` of `ss -e`); a TIME_WAIT
 * keeps the cookie of its connection. 0: not known. An MPTCP subflow is reported as its MPTCP socket.
 */
struct wire_sock {
	__u64 cookie;
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u32 netns;   /* inode number of the network namespace */
	__u32 uid;     /* of the socket (sk_uid), in the initial user namespace */
	__u32 ifindex; /* device of SO_BINDTODEVICE; 0: none */
	__u32 flags;
	__u16 family;	/* AF_INET, AF_INET6 */
	__u16 protocol; /* IPPROTO_TCP, _UDP, _MPTCP (262), _UDPLITE */
	__u16 local_port;
	__u16 remote_port;
	__u8 state;
	__u8 unknown; /* WIRE_UNKNOWN_*; 0 in captures */
	__u8 reserved[2];
	__u16 range_low, range_high; /* IP_LOCAL_PORT_RANGE, of a refused call that wanted any port; 0: not set */
};

/*
 * A process: pid is the thread group, comm the name of its leader. pid 0: not known. pid, tid and ppid are those of the
 * reader's pid namespace; of a process outside it they are the initial namespace's, with WIRE_PID_OUTSIDE.
 */
#define WIRE_PID_OUTSIDE 0x80000000U
struct wire_task {
	__u64 start_boot_ns; /* pid and start identify a process */
	__u64 cgroup_id;     /* cgroup v2 */
	__u32 pid;
	__u32 tid;
	__u32 ppid;
	__u32 uid;
	char comm[16];
};

/* `error`: a positive errno; 0: the call succeeded. */

/* wire_bind.how: flags */
#define WIRE_BIND_IMPLICIT 1 /* no bind(): a send took the port */
#define WIRE_BIND_HAD_PORT 2 /* refused, because the socket already had a port */

/* sock.local_*: the address in use; of a refused bind the requested one, after cgroup programs. */
struct wire_bind {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u64 failure_id;  /* same in the wire_socket events of its holders; 0: holders were not scanned */
	__u64 duration_ns; /* in the port search */
	__u8 requested_addr[16];
	__u32 error;
	__u16 requested_port;
	__u16 how;
	__u16 bound_port; /* the port it had, with WIRE_BIND_HAD_PORT */
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

/* sock.remote_*: the destination. An `error` says why no local port was available, or that there is no route;
 * the close event reports what happens to the connection later. */
struct wire_connect {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u64 failure_id;
	__u64 duration_ns;
	__u32 error;
	__u16 requested_port; /* the port that it was bound to before; 0: the kernel selects one */
	__u16 reserved;
};

struct wire_accept {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
};

/* wire_close.how: flags */
#define WIRE_CLOSE_UNESTABLISHED 1 /* with `error`: the connection failed, it was never established */

struct wire_close {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u64 life_ns;	  /* ns since the port was taken; 0: not known */
	__u32 error;	  /* errno that ended the connection; 0: an orderly end */
	__u32 next_state; /* WIRE_TCP_TIME_WAIT: the TIME_WAIT keeps the port; else 0 */
	__u64 failure_id; /* with WIRE_CLOSE_UNESTABLISHED: as wire_bind's, in the wire_socket events of the sockets on
			   * the remote port */
	__u32 how;
	__u32 reserved;
};

enum wire_timewait_action {
	WIRE_TIMEWAIT_ENTER = 1,
	WIRE_TIMEWAIT_EXPIRE = 2,
	WIRE_TIMEWAIT_REUSE = 3,
	WIRE_TIMEWAIT_KILL = 4,
	WIRE_TIMEWAIT_OVERFLOW = 5,
};

/* task: the process that had the connection. */
struct wire_timewait {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u32 action;
	__u32 substate; /* FIN_WAIT2 until the peer has closed, then TIME_WAIT; 0: not known */
};

struct wire_release {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u32 is_held; /* another socket, perhaps a TIME_WAIT, still has the port; known only with -e release */
	__u32 reserved;
};

/* hdr.purpose of a SOCKET event: why the socket was read. Append only. */
enum wire_purpose {
	WIRE_PURPOSE_UNSET = 0,	     /* in older captures: derived from failure_id, see wire_check() */
	WIRE_PURPOSE_SNAPSHOT = 1,   /* the socket exists */
	WIRE_PURPOSE_HOLDER = 2,     /* it held the port when call `failure_id` was refused */
	WIRE_PURPOSE_PORT_USAGE = 3, /* counted with all sockets of its namespace, because a call was refused
				      * for lack of a free port */
	WIRE_PURPOSE_PREFETCH = 4,   /* in older captures only; a HOLDER event repeats it */
	WIRE_PURPOSE_OWNER_GONE = 5, /* a HOLDER whose owner exited before the refusal was explained */
	WIRE_PURPOSE_SERVER_CLOSED = 6, /* a socket that accepted connections or datagrams was closed, and the filters
					 * hide its close event */
};

/*
 * One descriptor of one socket (fd >= 0; task has it), or a socket without a descriptor (fd -1; task is the
 * process that took the port, if known).
 */
/* wire_socket.fd: task holds the socket without a descriptor: by a mapping, an io_uring, an unread message or
 * a system call */
#define WIRE_FDLESS 0x7fffffff
struct wire_socket {
	struct wire_hdr hdr;
	struct wire_sock sock;
	struct wire_task task;
	__u64 failure_id;    /* wire_bind.failure_id of the refused call; 0: not a holder */
	__u64 since_boot_ns; /* when the port was taken; 0: before porttrace */
	__s32 fd;
	__u32 expires_ms;    /* TIME_WAIT: time left; 0: not known */
	__u32 backlog;	     /* LISTEN; UDP: the size of the receive buffer, in bytes */
	__u32 substate;	     /* TIME_WAIT: FIN_WAIT2 or TIME_WAIT */
	__u64 inode;	     /* of its file, as in /proc/PID/fd; 0: no file, or not known */
	__u32 queue;	     /* LISTEN: connections that wait for accept(); UDP: bytes that wait to be received */
	__u32 reserved;
};

#define WIRE_PROCESS_EXEC	  1 /* it has called execve() since it had the name task.comm: exe and cmdline are not known */
#define WIRE_PROCESS_NO_FILE_CAPS 2 /* capabilities of its executable would not reach its bind(): see setcap(8) */
#define WIRE_PROCESS_ORIGIN	  4 /* cwd, user, parents, service and restarter were read */

#define WIRE_PARENTS_MAX 8
struct wire_parent {
	__u32 pid;
	char comm[16];
};

/* What supervises a service: it starts the service again when its process ends. */
enum wire_service_kind {
	WIRE_SERVICE_NONE,
	WIRE_SERVICE_RUNIT,
	WIRE_SERVICE_S6,
	WIRE_SERVICE_DAEMONTOOLS,
	WIRE_SERVICE_SUPERVISORD,
	WIRE_SERVICE_PM2,
};

/* The service to which a process belongs. Texts as in struct wire_process. */
struct wire_service {
	__u32 kind; /* WIRE_SERVICE_* */
	__u32 uid;  /* of the supervisor */
	__u32 pid;  /* of the process that the supervisor started: the process itself or a parent of it */
	__u32 padding;
	char name[256];	   /* the directory of the service; supervisord: "GROUP:NAME"; pm2: its id */
	char control[128]; /* supervisord: the URL of its server; pm2: PM2_HOME; "": the default */
};

/* Texts are the bytes of the process or file system, truncated to the size and NUL-terminated. cmdline:
 * cmdline_len bytes, arguments separated by NUL. */
struct wire_process {
	struct wire_hdr hdr;
	struct wire_task task;
	__u32 cmdline_len;
	__u32 flags; /* WIRE_PROCESS_* */
	char exe[256];
	char cgroup[256];
	char cmdline[512];
	char cwd[256];
	char user[32]; /* the name of task.uid */
	struct wire_parent parents[WIRE_PARENTS_MAX]; /* the nearest first; pid 0: no more are known */
	struct wire_service service;
	struct wire_parent restarter; /* a parent that starts the process again when it ends; pid 0: none */
	__u32 padding;
};

/* Totals since boot or since the probes were attached; a reader computes differences. */
struct wire_netns {
	struct wire_hdr hdr;
	__u64 timewait_entered;	   /* TcpExt TW + TWKilled: the kernel's own counters */
	__u64 timewait_reused;	   /* TcpExt TWRecycled */
	__u64 timewait_killed;	   /* TcpExt TWKilled */
	__u64 timewait_overflowed; /* TcpExt TCPTimeWaitOverflow */
	__u64 timewait_live;	   /* sockstat tw */
	__u64 ephemeral_allocated; /* counted by the BPF programs, as are the next two */
	__u64 ephemeral_released;
	__u64 ephemeral_failed;
	__u32 netns;
	__u32 tw_reuse;		  /* sysctl net.ipv4.tcp_tw_reuse */
	__u32 unprivileged_start; /* net.ipv4.ip_unprivileged_port_start */
	__u32 reserved_count;	  /* ports of the range in ip_local_reserved_ports */
	__u16 range_low;	  /* net.ipv4.ip_local_port_range */
	__u16 range_high;
	__u32 ends_interval;	  /* 0: read between intervals, or the totals at the start */
	/* Parts of ephemeral_allocated: by connect() of TCP, by bind() to port 0, without either. */
	__u64 by_connect;
	__u64 by_bind;
	__u64 by_autobind;
	/* Parts of ephemeral_failed, by call and errno. */
	__u64 failed_connect;	    /* EADDRNOTAVAIL */
	__u64 failed_connect_again; /* EAGAIN: UDP */
	__u64 failed_bind;	    /* EADDRINUSE */
	__u64 failed_listen;	    /* EADDRINUSE */
	__u64 failed_send;	    /* EAGAIN: UDP */
	__u64 timewait_expired;	    /* with WIRE_NETNS_HOOKED */
	__u32 has;		    /* WIRE_NETNS_* */
	__u32 tw_reuse_delay_ms;    /* net.ipv4.tcp_tw_reuse_delay, or 1000 on kernels without it */
	__u32 tw_max_buckets;	    /* net.ipv4.tcp_max_tw_buckets */
	/* With WIRE_NETNS_PORT_USAGE: ports of the range with a socket, and those that connect() skips. */
	__u32 tcp_in_use;
	__u32 udp_in_use;
	__u32 tcp_bound;
	__u64 flows_forgotten; /* of all namespaces: flows that the map evicted */
};

#define WIRE_NETNS_READ	  1 /* settings and kernel counters were read: the namespace exists */
#define WIRE_NETNS_PORT_USAGE 2 /* the ports were counted now; otherwise ephemeral_released is from the last
				 * count */
#define WIRE_NETNS_HOOKED 4 /* timewait_*: counted by hooks, not by the kernel */
#define WIRE_NETNS_TIMED  8 /* port searches are measured (WIRE_SEARCH) */
#define WIRE_NETNS_KEEPS_TIMEWAIT 16 /* SOCK_DESTROY refuses a TIME_WAIT */

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
 * A pool: the ports that a search may select for local_addr and the remote end, at one moment. remote_port 0:
 * for bind() to port 0, listen() or UDP, where only the local address counts. Counted in the kernel's tables.
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
	__u32 capacity;	 /* its ports: without reserved ones, and for connect() without bound ones */
	__u32 in_use;	 /* TIME_WAIT included */
	__u32 timewait;
	__u32 first_parity; /* of those in use: on the half of the range that connect() tries first */
	__u16 range_low, range_high; /* the range, or the part that IP_LOCAL_PORT_RANGE selects */
	__u32 reserved;
	__u16 ends[WIRE_POOL_ENDS]; /* TIME_WAITs by time left, in steps of WIRE_POOL_STEP_MS */
};

enum wire_misuse_kind {
	WIRE_MISUSE_BIND_CONNECT = 1, /* bind(address, 0) before connect(), without IP_BIND_ADDRESS_NO_PORT */
	WIRE_MISUSE_SERVICE_PORT = 2, /* listens on a port of the ephemeral range that is not reserved */
	WIRE_MISUSE_SELF_CONNECT = 3, /* a TCP connection to itself */
	WIRE_MISUSE_OVERFLOW = 4,     /* TIME_WAITs dropped at tcp_max_tw_buckets */
};

/* Sent once per process and kind. */
struct wire_misuse {
	struct wire_hdr hdr;
	struct wire_sock sock; /* the known fields: of the listener, or of both ends */
	struct wire_task task; /* pid 0: not known */
	__u64 count;	       /* until now */
	__u32 misuse;	       /* enum wire_misuse_kind */
	__u32 limit;	       /* WIRE_MISUSE_OVERFLOW: tcp_max_tw_buckets */
};

/* Totals since the probes were attached. Only if the backend measures searches. */
#define WIRE_SEARCH_BUCKETS 32
struct wire_search {
	struct wire_hdr hdr;
	__u8 remote_addr[16]; /* with remote_port 0: all destinations; else one destination, since its first
			       * long search */
	__u32 netns;
	__u16 remote_port;
	__u16 connects; /* 1: by connect() of TCP; 0: by bind(), listen() or UDP */
	__u64 total_ns;
	__u64 max_ns;
	__u64 buckets[WIRE_SEARCH_BUCKETS]; /* [n]: from 2^n ns to 2^(n+1) */
};

enum wire_lost_reason {
	WIRE_LOST_RING = 1,    /* the ring buffer was full */
	WIRE_LOST_MAP = 2,     /* a kernel map was full: an owner or a counter is missing */
	WIRE_LOST_INVALID = 3, /* not a valid event */
	WIRE_LOST_TABLE = 4,   /* the port table was full: an entry was evicted */
	WIRE_LOST_MISSED = 5,  /* a return probe missed the call (kprobe) */
	WIRE_LOST_NOT_RUN = 6, /* a probe was hit and its program was not run (probe/missed.h); an upper limit */
};

struct wire_lost {
	struct wire_hdr hdr;
	__u64 count; /* since the previous LOST event */
	__u32 reason;
	__u32 reserved;
};

struct wire_interface {
	struct wire_hdr hdr;
	__u32 netns;
	__u32 ifindex;
	char name[16];
	char tunnel[16];   /* "vxlan", "geneve", "bareudp"; "": no tunnel, or not asked for */
	__u16 tunnel_port; /* the UDP port of its kernel socket */
	__u16 reserved[3];
};

/* The largest event that the BPF programs send; user space makes PROCESS. */
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
