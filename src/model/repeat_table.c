/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/repeat_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool is_about(const struct repeat *repeat, const struct wire_sock *sock, const struct wire_task *task,
		     uint32_t error)
{
	return repeat->last_boot_ns && repeat->port == sock->local_port && repeat->netns == sock->netns &&
	       repeat->protocol == sock->protocol && repeat->error == error && repeat->uid == task->uid &&
	       !memcmp(repeat->comm, task->comm, sizeof(repeat->comm));
}

const struct repeat *repeat_table_find(const struct repeat_table *table, const struct wire_sock *sock,
				       const struct wire_task *task, uint32_t error)
{
	for (size_t i = 0; i < REPEATS_MAX; i++) {
		if (is_about(&table->repeats[i], sock, task, error))
			return &table->repeats[i];
	}
	return NULL;
}

static struct repeat *oldest(struct repeat_table *table)
{
	struct repeat *found = &table->repeats[0];

	for (size_t i = 1; i < REPEATS_MAX; i++) {
		if (table->repeats[i].last_boot_ns < found->last_boot_ns)
			found = &table->repeats[i];
	}
	return found;
}

void repeat_table_add(struct repeat_table *table, const struct wire_sock *sock, const struct wire_task *task,
		      uint32_t error, uint64_t boot_ns)
{
	struct repeat *repeat = (struct repeat *)repeat_table_find(table, sock, task, error);
	bool is_same;

	if (!sock->local_port || !task->pid)
		return;
	if (!repeat || boot_ns > repeat->last_boot_ns + REPEAT_PAUSE_NS) {
		repeat = repeat ? repeat : oldest(table);
		*repeat = (struct repeat){.uid = task->uid, .netns = sock->netns, .error = error,
					  .protocol = sock->protocol, .port = sock->local_port,
					  .first_boot_ns = boot_ns};
		memcpy(repeat->comm, task->comm, sizeof(repeat->comm));
	}
	is_same = repeat->last_pid == task->pid && repeat->last_start_boot_ns == task->start_boot_ns;
	if (is_same && repeat->last_boot_ns == boot_ns)
		return;
	repeat->count++;
	repeat->processes += !is_same;
	repeat->last_pid = task->pid;
	repeat->last_start_boot_ns = task->start_boot_ns;
	if (boot_ns > repeat->last_boot_ns)
		repeat->last_boot_ns = boot_ns;
}
