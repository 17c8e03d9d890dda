/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/holder_details.h"

#include <stdio.h>
#include <string.h>

#define PROCESSES_MAX 64 /* processes looked up for one refusal: about 0.1 ms each if they are not known */

static const struct wire_task *task_of(const struct holder *holder)
{
	return holder->pid_count ? &holder->pids[0] : &holder->owner;
}

/* Every process of a holder may be of another unit or container, and all of them must be stopped to free the port. */
static void look_up_processes(struct lookup *lookup, const struct holder *holder, size_t *left)
{
	if (!holder_has_pid(holder, holder->owner.pid))
		process_lookup_origin(lookup, &holder->owner);
	for (size_t i = 0; i < holder->pid_count && *left; i++, --*left)
		process_lookup_origin(lookup, &holder->pids[i]);
}

static void fill_tunnel(struct lookup *lookup, struct holder *holder)
{
	const struct wire_interface *tunnel = tunnel_lookup(lookup, &holder->sock);

	if (!tunnel)
		return;
	memcpy(holder->tunnel, tunnel->tunnel, sizeof(holder->tunnel));
	memcpy(holder->device, tunnel->name, sizeof(holder->device));
}

void holder_details_fill(struct lookup *lookup, struct holder *holders, size_t count)
{
	struct source *source = lookup->source;
	size_t left = PROCESSES_MAX;

	/* Two passes, because adding a process to the model may move the others. */
	for (size_t i = 0; i < count; i++) {
		struct holder *holder = &holders[i];

		if (source && holder->owner.pid && !holder_has_pid(holder, holder->owner.pid))
			holder->owner_gone = !source->ops->process_is_alive(source, &holder->owner);
		look_up_processes(lookup, holder, &left);
		fill_tunnel(lookup, holder);
		snprintf(holder->interface, sizeof(holder->interface), "%s",
			 interface_lookup(lookup, &holder->sock));
	}
	for (size_t i = 0; i < count; i++) {
		const struct wire_task *task = task_of(&holders[i]);

		holders[i].process = process_table_find(model_processes(lookup->model), task->pid,
							task->start_boot_ns);
	}
}
