/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The current state: the tables, which only model_apply() and model_advance() change.
 *
 * The model depends on events only: no libbpf, no clock, no terminal. The current time is the boot_ns of
 * events and the argument of model_advance(). Applying the same fact twice changes nothing, so the events of
 * a live start may overlap its snapshot.
 */
#ifndef PORTTRACE_MODEL_MODEL_H
#define PORTTRACE_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/netns_table.h"
#include "model/pool_table.h"
#include "model/port_table.h"
#include "model/process_table.h"
#include "model/repeat_table.h"
#include "model/reservation_ring.h"
#include "porttrace/wire.h"

struct model_limits {
	size_t sockets;	   /* 0: 65,536 */
	size_t timewaits;  /* how many of the sockets may be in TIME_WAIT; 0: all */
	size_t processes;  /* 0: 4,096 */
};

/* A socket that held the port when a call was refused, and the processes that had it open. */
#define HOLDER_PIDS_MAX 32
struct holder {
	struct wire_sock sock;
	struct wire_task owner;	      /* the process that took the port; pid 0: not known */
	uint64_t since_boot_ns;	      /* 0: not known */
	uint32_t expires_ms;	      /* TIME_WAIT: time left; 0: not known */
	uint32_t substate;
	uint32_t backlog;
	uint32_t queue;		      /* LISTEN: connections that wait for accept() */
	uint64_t inode;		      /* of its file; 0: none, or not known */
	struct wire_task pids[HOLDER_PIDS_MAX]; /* each process once, in order of discovery */
	int fds[HOLDER_PIDS_MAX];     /* of each of pids the first descriptor found; WIRE_FDLESS: none */
	size_t pid_count;
	size_t pid_more;	      /* processes beyond HOLDER_PIDS_MAX */
	/* Zero in the model; stream/ and why/ fill these in. */
	bool owner_gone;	      /* the owner has exited; false for one of pids */
	const struct process *process; /* of the first of pids, else of the owner; NULL: not known */
	char interface[16];	      /* SO_BINDTODEVICE, by name; "": none, or not known */
	char tunnel[16], device[16];  /* a socket of the kernel: "vxlan", and the name of the device that it serves */
};

/* Whether it is one of `pids`. */
bool holder_has_pid(const struct holder *holder, uint32_t pid);
/* Adds a process to `pids` unless it is there; one that does not fit is counted in pid_more. */
void holder_add_pid(struct holder *holder, const struct wire_task *task, int fd);
/* Makes it of an entry of the port table. */
void holder_from_entry(struct holder *holder, const struct port_entry *entry, uint64_t now_boot_ns);
/* Whether `owner` was seen to take the port. A scan of a socket that was there before takes any process that has it. */
bool holder_has_owner(const struct holder *holder);

#define FAILURE_HOLDERS_MAX 64
struct failure {
	uint64_t id;
	struct holder *holders;
	size_t holder_count;
	size_t holder_more;	      /* holders beyond FAILURE_HOLDERS_MAX */
};

/* A listener, or a UDP socket bound to a given port, that was closed. */
struct closed_server {
	struct wire_sock sock;
	struct wire_task owner;	 /* the process that took the port, or that closed it; pid 0: not known */
	uint64_t closed_boot_ns;
};

struct model;

struct model *model_new(const struct model_limits *limits);
void model_free(struct model *model);

/* `event` has passed wire_check(). 0 or -ENOMEM. */
int model_apply(struct model *model, const struct wire_hdr *event);
/* Removes the TIME_WAITs that have ended by now_boot_ns. */
void model_advance(struct model *model, uint64_t now_boot_ns);

struct port_table *model_ports(struct model *model);
struct process_table *model_processes(struct model *model);
struct netns_table *model_namespaces(struct model *model);
struct pool_table *model_pools(struct model *model);

/* The holders of a refused port that are known so far, borrowed until the next model_apply(); NULL: none. The
 * last 64 failures are kept. */
const struct failure *model_failure(struct model *model, uint64_t failure_id);

/* The failures of this program on this port lately; NULL: none. Borrowed until the next model_apply(), as is the next. */
const struct repeat *model_repeat(const struct model *model, const struct wire_sock *sock, const struct wire_task *task,
				  uint32_t error);
/* The port of this socket was chosen by the kernel for a bind() and closed a moment ago; NULL: it was not. */
const struct reservation *model_reservation(const struct model *model, const struct wire_sock *sock,
					    uint64_t now_boot_ns);

/* The tunnel device whose kernel socket has this UDP port; NULL: not known. Borrowed likewise. */
const struct wire_interface *model_tunnel(const struct model *model, uint32_t netns, uint16_t port);

/* When the socket was closed, as far as the last closes are kept; 0: not known. */
uint64_t model_closed_at(const struct model *model, uint64_t cookie);

/* The servers that were closed lately: age 0 is the last one. NULL: no more are known. */
const struct closed_server *model_closed_server(const struct model *model, unsigned int age);

/* The name of a network interface; "": not known. */
const char *model_interface(const struct model *model, uint32_t netns, uint32_t ifindex);

/* Socket and task of any event that has them, else NULL. */
const struct wire_sock *wire_sock_of(const struct wire_hdr *event);
const struct wire_task *wire_task_of(const struct wire_hdr *event);
/* Whether others could connect or send to it: it listens, or is a UDP socket without a peer whose program chose the port. */
bool wire_sock_is_server(const struct wire_sock *sock);
/* errno of a bind, listen or connect event; 0 for all others. */
uint32_t wire_error_of(const struct wire_hdr *event);
/* The same, and of a close event the errno that ended the connection. */
uint32_t wire_ended_errno(const struct wire_hdr *event);
/* The same, but of a close event only if the connection was never established. */
uint32_t wire_failed_errno(const struct wire_hdr *event);
uint64_t wire_failure_of(const struct wire_hdr *event);
/* "bind", "listen" ...; NULL: no such kind. */
const char *wire_kind_name(unsigned int kind);

#endif
