/* SPDX-License-Identifier: GPL-2.0-only */
/* Asks the source what the model does not know yet; the answer comes in as an event like any other. */
#include "stream/process_lookup.h"

#include <string.h>

const struct process *process_lookup(struct model *model, struct source *source, const struct wire_task *task)
{
	const struct process_table *table = model_processes(model);
	const struct process *process;

	if (!task->pid)
		return NULL;
	process = process_table_find(table, task->pid, task->start_boot_ns);
	/* An exec changes the name, and with it everything else that was known. */
	if (!source || (process && memcmp(process->task.comm, task->comm, sizeof(task->comm)) == 0))
		return process;
	source->ops->describe(source, task);
	return process_table_find(table, task->pid, task->start_boot_ns);
}

const char *interface_lookup(struct model *model, struct source *source, const struct wire_sock *sock)
{
	const char *name;

	if (!sock->ifindex)
		return "";
	name = model_interface(model, sock->netns, sock->ifindex);
	if (*name || !source)
		return name;
	source->ops->name_device(source, sock->netns, sock->ifindex);
	return model_interface(model, sock->netns, sock->ifindex);
}
