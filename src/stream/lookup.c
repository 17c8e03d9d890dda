/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/lookup.h"

#include <netinet/in.h>
#include <string.h>

#include "model/wire_check.h"

void lookup_record(struct lookup *lookup, const struct wire_hdr *event)
{
	if (lookup->capture)
		capture_write(lookup->capture, event, event->size);
}

int counters_apply(struct model *model, const struct wire_netns *event, bool *is_first)
{
	struct netns_table *namespaces = model_namespaces(model);
	struct churn baseline;
	int err;

	*is_first = !netns_table_find(namespaces, event->netns);
	err = model_apply(model, &event->hdr);
	if (*is_first)
		netns_table_churn(namespaces, event->netns, &baseline);
	return err;
}

void lookup_keep(struct lookup *lookup, const struct wire_hdr *answer)
{
	union wire_event event;
	bool is_first;
	int err = wire_check(answer, answer->size, &event);

	if (!err && event.hdr.kind == WIRE_NETNS)
		err = counters_apply(lookup->model, &event.netns, &is_first);
	else if (!err)
		err = model_apply(lookup->model, &event.hdr);
	lookup->invalid += err != 0;
	lookup_record(lookup, answer);
}

/* An execve() changes the name and the rest of the known facts. */
static bool is_current(const struct process *process, const struct wire_task *task, bool with_origin)
{
	return memcmp(process->task.comm, task->comm, sizeof(task->comm)) == 0 && (process->has_origin || !with_origin);
}

static const struct process *look_up(struct lookup *lookup, const struct wire_task *task, bool with_origin)
{
	const struct process_table *table = model_processes(lookup->model);
	const struct process *process;
	struct wire_process answer;

	if (!task->pid)
		return NULL;
	process = process_table_find(table, task->pid, task->start_boot_ns);
	if (!lookup->source || (process && is_current(process, task, with_origin)))
		return process;
	if (lookup->source->ops->read_process(lookup->source, task, with_origin, &answer) == 0)
		lookup_keep(lookup, &answer.hdr);
	return process_table_find(table, task->pid, task->start_boot_ns);
}

const struct process *process_lookup(struct lookup *lookup, const struct wire_task *task)
{
	return look_up(lookup, task, false);
}

const struct process *process_lookup_origin(struct lookup *lookup, const struct wire_task *task)
{
	return look_up(lookup, task, true);
}

const char *interface_lookup(struct lookup *lookup, const struct wire_sock *sock)
{
	struct wire_interface answer;
	const char *name;

	if (!sock->ifindex)
		return "";
	name = model_interface(lookup->model, sock->netns, sock->ifindex);
	if (*name || !lookup->source)
		return name;
	if (lookup->source->ops->read_interface(lookup->source, sock->netns, sock->ifindex, &answer) == 0)
		lookup_keep(lookup, &answer.hdr);
	return model_interface(lookup->model, sock->netns, sock->ifindex);
}

const struct wire_interface *tunnel_lookup(struct lookup *lookup, const struct wire_sock *sock)
{
	const struct wire_interface *known;
	struct wire_interface answer;

	if (!(sock->flags & WIRE_KERNEL_OWNED) || sock->protocol != IPPROTO_UDP)
		return NULL;
	known = model_tunnel(lookup->model, sock->netns, sock->local_port);
	if (known || !lookup->source)
		return known;
	if (lookup->source->ops->read_tunnel(lookup->source, sock->netns, sock->local_port, &answer) == 0)
		lookup_keep(lookup, &answer.hdr);
	return model_tunnel(lookup->model, sock->netns, sock->local_port);
}

void counters_lookup(struct lookup *lookup, uint32_t netns)
{
	struct netns_reading reading;

	if (lookup->source->ops->read_counters(lookup->source, netns, &reading))
		return;
	for (size_t i = 0; i < reading.count; i++)
		lookup_keep(lookup, &reading.events[i].hdr);
}
