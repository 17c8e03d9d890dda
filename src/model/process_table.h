/* SPDX-License-Identifier: GPL-2.0-only */
/* Processes by pid and start time, with what /proc said of them. Bounded; the oldest makes room. */
#ifndef PORTTRACE_MODEL_PROCESS_TABLE_H
#define PORTTRACE_MODEL_PROCESS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/* Texts are bytes as the process gave them (not valid UTF-8, not escaped); "" is unknown.
 * `cmdline` has its arguments joined by spaces. */
struct process {
	struct wire_task task;
	char exe[256];
	char cmdline[512];
	char cgroup[256];    /* path in the cgroup v2 hierarchy, "/system.slice/nginx.service" */
	char unit[128];	     /* the systemd unit that the path names: .service, .socket or .scope */
	char container[65];  /* the 64 hex digits of a container that the path names */
};

struct process_table;

struct process_table *process_table_new(size_t capacity);
void process_table_free(struct process_table *table);
/* Borrowed until the next add. NULL: unknown. */
const struct process *process_table_find(const struct process_table *table, uint32_t pid,
					 uint64_t start_boot_ns);
/* Adds or replaces. 0 or -ENOMEM. */
int process_table_add(struct process_table *table, const struct wire_process *event);

/* What a cgroup path names; "" when nothing. Both write a NUL-terminated text. */
void process_unit_of(const char *cgroup, char *unit, size_t size);
void process_container_of(const char *cgroup, char *container, size_t size);

#endif
