/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes by pid and start time, with their facts from procfs. When full, the oldest report is evicted. */
#ifndef PORTTRACE_MODEL_PROCESS_TABLE_H
#define PORTTRACE_MODEL_PROCESS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/* Texts are the bytes of the process, which may not be valid UTF-8; "": not known. */
struct process {
	struct wire_task task;
	char exe[256];
	bool no_file_caps;   /* WIRE_PROCESS_NO_FILE_CAPS */
	char cmdline[512];   /* arguments joined by spaces */
	char cgroup[256];    /* path in the cgroup v2 hierarchy, "/system.slice/nginx.service" */
	char unit[128];	     /* the systemd unit in that path: .service, .socket, .scope or .mount */
	char container[65];  /* the container id in that path: 64 hex digits */
	bool has_origin;     /* cwd, user, parents, service and restarter were read */
	char cwd[256];
	char user[32];	     /* the name of task.uid */
	bool has_execed;     /* it runs another program now than when it had the name task.comm */
	struct wire_parent parents[WIRE_PARENTS_MAX]; /* the nearest first; pid 0: no more are known */
	struct wire_service service;
	struct wire_parent restarter; /* pid 0: none is known */
};

struct process_table;

struct process_table *process_table_new(size_t capacity);
void process_table_free(struct process_table *table);
/* NULL: not known, or no table. Borrowed until the next add. */
const struct process *process_table_find(const struct process_table *table, uint32_t pid,
					 uint64_t start_boot_ns);
/* Adds or replaces. 0 or -ENOMEM. */
int process_table_add(struct process_table *table, const struct wire_process *event);

/*
 * Whether the process ran another program when it had the name of `task`: the name that it has now is that of its
 * program, or of its script. Otherwise it renamed itself (PR_SET_NAME) and still runs the same one.
 */
bool process_has_execed_since(const struct process *process, const struct wire_task *task);

/* The innermost systemd unit, or container id, that a cgroup path names; "": none. NUL-terminated. */
void process_unit_of(const char *cgroup, char *unit, size_t size);
void process_container_of(const char *cgroup, char *container, size_t size);

#endif
