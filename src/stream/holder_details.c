/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/holder_details.h"

#include <stdio.h>

static const struct wire_task *task_of(const struct holder *holder)
{
	return holder->pid_count ? &holder->pids[0] : &holder->owner;
}

void holder_details_fill(struct lookup *lookup, struct holder *holders, size_t count)
{
	struct source *source = lookup->source;
	/* Two passes, because adding a process to the model may move the others. */
	for (size_t i = 0; i < count; i++) {
		struct holder *holder = &holders[i];

		if (source && !holder->pid_count && holder->owner.pid)
			holder->owner_gone = !source->ops->process_is_alive(source, &holder->owner);
		process_lookup(lookup, task_of(holder));
		snprintf(holder->interface, sizeof(holder->interface), "%s",
			 interface_lookup(lookup, &holder->sock));
	}
	for (size_t i = 0; i < count; i++) {
		const struct wire_task *task = task_of(&holders[i]);

		holders[i].process = process_table_find(model_processes(lookup->model), task->pid,
							task->start_boot_ns);
	}
}
