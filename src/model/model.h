/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is true now: the tables, and the one way in, model_apply().
 *
 * A pure function of the events: no libbpf, no clock, no terminal. Time is the events' own boot_ns and
 * what model_advance() is told. Applying the same fact twice is harmless, so a live start may overlap
 * its snapshot.
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
#include "porttrace/wire.h"

struct model_limits {
	size_t sockets;	   /* 0: 65,536 */
	size_t timewaits;  /* of these; 0: as many */
	size_t processes;  /* 0: 4,096 */
};

/* A socket that held the port at the moment of a refusal, and who had it open. */
#define HOLDER_PIDS_MAX 32
struct holder {
	struct wire_sock sock;
	struct wire_task owner;	      /* who took the port; pid 0: not seen */
	uint64_t since_boot_ns;	      /* 0: not seen */
	uint32_t expires_ms;	      /* TIME_WAIT: time left; 0: not known */
	uint32_t substate;
	uint32_t backlog;
	uint64_t inode;		      /* of its file; 0: none, or not told */
	struct wire_task pids[HOLDER_PIDS_MAX]; /* each process once, in order of discovery */
	size_t pid_count;
	size_t pid_more;	      /* processes beyond HOLDER_PIDS_MAX */
	/* What the model cannot know alone; cmd/ fills these in, they are zero until then. */
	bool owner_gone;	      /* the owner has exited */
	const struct process *process; /* of the first of pids, else of the owner; NULL: unknown */
	char interface[16];	      /* SO_BINDTODEVICE, by name; "": none, or not told */
};

#define FAILURE_HOLDERS_MAX 64
struct failure {
	uint64_t id;
	struct holder *holders;
	size_t holder_count;
	size_t holder_more;	      /* found but not kept */
};

struct model;

struct model *model_new(const struct model_limits *limits);
void model_free(struct model *model);

/* `event` has passed wire_check(). 0 or -ENOMEM. */
int model_apply(struct model *model, const struct wire_hdr *event);
/* Lets time pass: TIME_WAIT ends. */
void model_advance(struct model *model, uint64_t now_boot_ns);

struct port_table *model_ports(struct model *model);
struct process_table *model_processes(struct model *model);
struct netns_table *model_namespaces(struct model *model);
struct pool_table *model_pools(struct model *model);

/* The holders gathered for a refusal, borrowed until the next apply; NULL: none. Failures are kept
 * in a ring of 64: a failure is reported before 64 later ones arrive, or without its holders. */
const struct failure *model_failure(struct model *model, uint64_t failure_id);

/* The name of an interface; "" when it was not told. */
const char *model_interface(const struct model *model, uint32_t netns, uint32_t ifindex);

/* Socket and task of any event that has them, else NULL. */
const struct wire_sock *wire_sock_of(const struct wire_hdr *event);
const struct wire_task *wire_task_of(const struct wire_hdr *event);
/* errno of bind, listen, connect; 0 for everything else. */
uint32_t wire_error_of(const struct wire_hdr *event);
uint64_t wire_failure_of(const struct wire_hdr *event);
/* "bind", "listen" ...; NULL for a number that is no kind. */
const char *wire_kind_name(unsigned int kind);

#endif
