/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/process_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/hash.h"
#include "util/exec_name.h"

/*
 * Start times are compared in ticks of /proc/PID/stat (USER_HZ: 100 per second on x86-64 and arm64): the BPF
 * programs report nanoseconds, procfs only ticks.
 */
#define START_TICK_NS 10000000ULL

struct process_key {
	uint64_t start_ticks;
	uint64_t pid; /* 64 bits, to avoid padding */
};

struct process_node {
	struct process process;
	struct process_key key;
	UT_hash_handle hh; /* in the order of their reports, oldest first */
};

struct process_table {
	struct process_node *nodes;
	size_t capacity;
};

#define CONTAINER_ID_LENGTH 64

static bool ends_in_unit(const char *component, size_t length)
{
	static const char *const suffixes[] = {".service", ".socket", ".scope", ".mount"};

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		size_t suffix = strlen(suffixes[i]);

		if (length > suffix && !memcmp(component + length - suffix, suffixes[i], suffix))
			return true;
	}
	return false;
}

void process_unit_of(const char *cgroup, char *unit, size_t size)
{
	size_t length;

	unit[0] = '\0';
	for (; *cgroup; cgroup += length) {
		cgroup += strspn(cgroup, "/");
		length = strcspn(cgroup, "/");
		if (!ends_in_unit(cgroup, length))
			continue;
		/* A name that does not fit is left empty: a truncated name, or that of the outer unit, would
		 * be wrong. */
		snprintf(unit, size, "%.*s", length < size ? (int)length : 0, cgroup);
	}
}

/* The id is a whole path component (docker with cgroupfs), or follows "docker-", "libpod-", "crio-" or
 * "cri-containerd-" and precedes ".scope". The last one in the path is used: that of the innermost
 * container. */
void process_container_of(const char *cgroup, char *container, size_t size)
{
	size_t length;

	container[0] = '\0';
	if (size <= CONTAINER_ID_LENGTH)
		return;
	for (; *cgroup; cgroup += length) {
		length = strspn(cgroup, "0123456789abcdef");
		if (length == CONTAINER_ID_LENGTH) {
			memcpy(container, cgroup, length);
			container[length] = '\0';
		}
		if (!length)
			length = 1;
	}
}

bool process_has_execed_since(const struct process *process, const struct wire_task *task)
{
	const char *comm = process->task.comm;

	if (process->has_execed || !memcmp(comm, task->comm, sizeof(task->comm)))
		return process->has_execed;
	return exec_set_name(comm, process->exe, process->cmdline, strlen(process->cmdline), ' ');
}

static void process_fill(struct process *process, const struct wire_process *event)
{
	size_t length = event->cmdline_len;

	_Static_assert(sizeof(process->exe) == sizeof(event->exe) &&
		       sizeof(process->cgroup) == sizeof(event->cgroup) &&
		       sizeof(process->cmdline) == sizeof(event->cmdline) &&
		       sizeof(process->cwd) == sizeof(event->cwd) &&
		       sizeof(process->user) == sizeof(event->user),
		       "texts have the wire's size");
	process->task = event->task;
	process->no_file_caps = event->flags & WIRE_PROCESS_NO_FILE_CAPS;
	memcpy(process->exe, event->exe, sizeof(process->exe));
	memcpy(process->cgroup, event->cgroup, sizeof(process->cgroup));
	process_unit_of(process->cgroup, process->unit, sizeof(process->unit));
	process_container_of(process->cgroup, process->container, sizeof(process->container));
	memcpy(process->cwd, event->cwd, sizeof(process->cwd));
	memcpy(process->user, event->user, sizeof(process->user));
	memcpy(process->parents, event->parents, sizeof(process->parents));
	process->service = event->service;
	process->restarter = event->restarter;
	process->has_origin = event->flags & WIRE_PROCESS_ORIGIN;
	process->has_execed = event->flags & WIRE_PROCESS_EXEC;

	memcpy(process->cmdline, event->cmdline, sizeof(process->cmdline));
	if (length > sizeof(process->cmdline) - 1)
		length = sizeof(process->cmdline) - 1;
	for (size_t i = 0; i < length; i++) {
		if (!process->cmdline[i])
			process->cmdline[i] = ' ';
	}
	while (length && process->cmdline[length - 1] == ' ')
		length--;
	process->cmdline[length] = '\0';
}

struct process_table *process_table_new(size_t capacity)
{
	struct process_table *table = calloc(1, sizeof(*table));

	if (table)
		table->capacity = capacity ? capacity : 1;
	return table;
}

void process_table_free(struct process_table *table)
{
	struct process_node *node, *next;

	if (!table)
		return;
	HASH_FREE_ALL(table->nodes, node, next);
	free(table);
}

static struct process_node *node_find(const struct process_table *table, uint32_t pid,
				      uint64_t start_boot_ns)
{
	struct process_key key = {.start_ticks = start_boot_ns / START_TICK_NS, .pid = pid};
	struct process_node *node;

	HASH_FIND(hh, table->nodes, &key, sizeof(key), node);
	return node;
}

const struct process *process_table_find(const struct process_table *table, uint32_t pid,
					 uint64_t start_boot_ns)
{
	const struct process_node *node = table ? node_find(table, pid, start_boot_ns) : NULL;

	return node ? &node->process : NULL;
}

int process_table_add(struct process_table *table, const struct wire_process *event)
{
	struct process_node *node = node_find(table, event->task.pid, event->task.start_boot_ns);

	/* A known process moves to the end of the order. A new one replaces the oldest when the table is full. */
	if (!node && HASH_COUNT(table->nodes) >= table->capacity)
		node = table->nodes;
	if (node)
		HASH_DEL(table->nodes, node);
	else
		node = malloc(sizeof(*node));
	if (!node)
		return -ENOMEM;

	memset(node, 0, sizeof(*node));
	node->key.start_ticks = event->task.start_boot_ns / START_TICK_NS;
	node->key.pid = event->task.pid;
	process_fill(&node->process, event);
	HASH_ADD(hh, table->nodes, key, sizeof(node->key), node);
	if (!node->hh.tbl) {
		free(node);
		return -ENOMEM;
	}
	return 0;
}
