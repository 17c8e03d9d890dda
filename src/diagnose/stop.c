/* SPDX-License-Identifier: GPL-2.0-only */
/* From the processes of the holders to what is stopped for them, and its names. */
#include "diagnose/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "diagnose/remedy.h"
#include "diagnose/rules.h"
#include "diagnose/sentence.h"

#define NAMES_MAX 5 /* names in a sentence; the command has all */

void stop_plan_init(struct stop_plan *plan)
{
	plan->target_count = plan->task_count = 0;
	plan->is_impossible = plan->has_caller = false;
}

static struct stop_target *target_find(const struct stop_plan *plan, const struct stop_target *target)
{
	for (size_t i = 0; i < plan->target_count; i++) {
		const struct stop_target *known = &plan->targets[i];

		if (known->kind == target->kind && known->of_user == target->of_user && known->uid == target->uid &&
		    known->is_udp == target->is_udp && !strcmp(known->name, target->name))
			return (struct stop_target *)known;
	}
	return NULL;
}

static void add_target(struct stop_plan *plan, const struct stop_target *target)
{
	struct stop_target *known = target_find(plan, target);

	if (known)
		known->has_socket_unit |= target->has_socket_unit;
	else if (plan->target_count == STOP_TARGETS_MAX)
		plan->is_impossible = true;
	else
		plan->targets[plan->target_count++] = *target;
}

static bool task_find(const struct stop_plan *plan, uint32_t pid)
{
	for (size_t i = 0; i < plan->task_count; i++) {
		if (plan->tasks[i].pid == pid)
			return true;
	}
	return false;
}

static void add_task(struct stop_plan *plan, const struct wire_task *task, bool restarts)
{
	const struct stop_target processes = {.kind = STOP_PROCESSES};

	if (task_find(plan, task->pid))
		return;
	if (plan->task_count == STOP_PIDS_MAX) {
		plan->is_impossible = true;
		return;
	}
	plan->restarts[plan->task_count] = restarts;
	plan->tasks[plan->task_count++] = *task;
	add_target(plan, &processes);
}

/* The systemd that has the socket open; NULL: none. */
static const struct wire_task *systemd_of(const struct finding *f, const struct holder *holder)
{
	for (size_t i = 0; i < holder->pid_count; i++) {
		if (supervisor_is_systemd(&holder->pids[i], process_of(f, &holder->pids[i])))
			return &holder->pids[i];
	}
	return NULL;
}

/* Before the process, because what starts it again must not see its end. Not a script that runs the caller too. */
static void add_process_and_restarter(struct stop_plan *plan, const struct finding *f, const struct wire_task *task)
{
	const struct process *process = process_of(f, task);
	struct wire_task restarter = {0};

	if (process && process->restarter.pid && !task_has_parent(f, &f->claim->task, process->restarter.pid)) {
		restarter.pid = process->restarter.pid;
		memcpy(restarter.comm, process->restarter.comm, sizeof(restarter.comm));
		add_task(plan, &restarter, true);
	}
	add_task(plan, task, false);
}

/* A supervisor ends the process that it started. One that this process has started may stay, and keep the socket. */
static void add_service(struct stop_plan *plan, const struct finding *f, const struct holder *holder,
			const struct wire_task *task, const struct stop_target *target)
{
	add_target(plan, target);
	if (task->pid != target->started && !holder_has_pid(holder, target->started))
		add_process_and_restarter(plan, f, task);
}

static void add_process(struct stop_plan *plan, const struct finding *f, const struct holder *holder,
			const struct wire_task *task, struct stop_target *target)
{
	supervisor_find(task, process_of(f, task), target);
	switch (target->kind) {
	case STOP_NEVER:
		plan->is_impossible = true;
		break;
	case STOP_PROCESSES:
		add_process_and_restarter(plan, f, task);
		break;
	case STOP_RUNIT:
	case STOP_S6:
	case STOP_DAEMONTOOLS:
	case STOP_SUPERVISORD:
	case STOP_PM2:
		add_service(plan, f, holder, task, target);
		break;
	case STOP_UNIT:
	case STOP_SOCKET_UNIT:
	case STOP_DOCKER:
	case STOP_PODMAN:
	case STOP_NERDCTL:
	case STOP_CRI:
	case STOP_DOCKER_PUBLISHED:
	case STOP_PODMAN_PUBLISHED:
		add_target(plan, target);
		break;
	}
}

static void add_socket_unit(struct stop_plan *plan, const struct wire_task *systemd, bool is_udp)
{
	const struct stop_target target = {
		.kind = STOP_SOCKET_UNIT, .of_user = systemd->pid != 1, .uid = systemd->pid != 1 ? systemd->uid : 0,
		.is_udp = is_udp,
	};

	/* Process 1 of a container may be anything. */
	if (strncmp(systemd->comm, "systemd", sizeof(systemd->comm)))
		plan->is_impossible = true;
	else
		add_target(plan, &target);
}

void stop_plan_add(struct stop_plan *plan, const struct finding *f, const struct holder *holder)
{
	const struct wire_task *systemd = systemd_of(f, holder);
	bool is_udp = sock_is_udp(&holder->sock), has_unit = false;

	if (holder->sock.flags & WIRE_KERNEL_OWNED ||
	    (!holder->pid_count && (!holder->owner.pid || holder->owner_gone)))
		plan->is_impossible = true;
	for (size_t i = 0; i < (holder->pid_count ? holder->pid_count : 1); i++) {
		const struct wire_task *task = holder->pid_count ? &holder->pids[i] : &holder->owner;
		struct stop_target target = {.has_socket_unit = systemd, .is_udp = is_udp};

		plan->has_caller |= f->claim->task.pid && task->pid == f->claim->task.pid;
		if (!task->pid || task == systemd)
			continue;
		plan->is_impossible |= !!(task->pid & WIRE_PID_OUTSIDE); /* kill cannot name it */
		add_process(plan, f, holder, task, &target);
		has_unit |= target.kind == STOP_UNIT;
	}
	/* Processes beyond the list are in the same unit or container; without a unit their pids are missing. */
	if (holder->pid_more && plan->task_count)
		plan->is_impossible = true;
	/* Its name is that of the unit's TriggeredBy, where a unit has the socket too. */
	if (systemd && !has_unit)
		add_socket_unit(plan, systemd, is_udp);
}

bool stop_plan_covers(const struct stop_plan *plan, const struct finding *f, const struct holder *holder)
{
	struct stop_plan alone;

	stop_plan_init(&alone);
	stop_plan_add(&alone, f, holder);
	if (alone.is_impossible || !alone.target_count)
		return false;
	for (size_t i = 0; i < alone.target_count; i++) {
		if (alone.targets[i].kind != STOP_PROCESSES && !target_find(plan, &alone.targets[i]))
			return false;
	}
	for (size_t i = 0; i < alone.task_count; i++) {
		if (!task_find(plan, alone.tasks[i].pid))
			return false;
	}
	return true;
}

bool stop_plan_has_any(const struct stop_plan *plan)
{
	return plan->target_count || plan->task_count;
}

bool stop_plan_has_helper(const struct stop_plan *plan)
{
	for (size_t i = 0; i < plan->target_count; i++) {
		if (plan->targets[i].is_helper)
			return true;
	}
	return false;
}

enum remedy_action stop_plan_action(const struct stop_plan *plan)
{
	enum remedy_action action = REMEDY_STOP_PROCESS;

	for (size_t i = 0; i < plan->target_count; i++) {
		switch (plan->targets[i].kind) {
		case STOP_PROCESSES:
		case STOP_NEVER:
		case STOP_RUNIT:
		case STOP_S6:
		case STOP_DAEMONTOOLS:
		case STOP_SUPERVISORD:
		case STOP_PM2:
			break;
		case STOP_UNIT:
		case STOP_SOCKET_UNIT:
			if (action == REMEDY_STOP_PROCESS)
				action = REMEDY_STOP_UNIT;
			break;
		case STOP_DOCKER:
		case STOP_PODMAN:
		case STOP_NERDCTL:
		case STOP_CRI:
		case STOP_DOCKER_PUBLISHED:
		case STOP_PODMAN_PUBLISHED:
			action = REMEDY_STOP_CONTAINER;
			break;
		}
	}
	return action;
}

static void append_target(const struct stop_target *target, struct remedy *out)
{
	switch (target->kind) {
	case STOP_PROCESSES:
	case STOP_NEVER:
		break;
	case STOP_UNIT:
		remedy_text(out, "%s", escaped(target->name).s);
		break;
	case STOP_SOCKET_UNIT:
		remedy_text(out, "the .socket unit for which systemd listens");
		break;
	case STOP_DOCKER:
	case STOP_PODMAN:
	case STOP_NERDCTL:
	case STOP_CRI:
		remedy_text(out, "container %s%s", target->name,
			    target->in_pod ? " (kubelet starts it again unless its workload is scaled down)" : "");
		break;
	case STOP_RUNIT:
		remedy_text(out, "the runit service %s", escaped(target->name).s);
		break;
	case STOP_S6:
		remedy_text(out, "the s6 service %s", escaped(target->name).s);
		break;
	case STOP_DAEMONTOOLS:
		remedy_text(out, "the daemontools service %s", escaped(target->name).s);
		break;
	case STOP_SUPERVISORD:
		remedy_text(out, "%s of supervisord", escaped(target->name).s);
		break;
	case STOP_PM2:
		remedy_text(out, "process %s of pm2", escaped(target->name).s);
		break;
	case STOP_DOCKER_PUBLISHED:
	case STOP_PODMAN_PUBLISHED:
		remedy_text(out, "the container that publishes the port");
		break;
	}
	if (target->of_user)
		remedy_text(out, " of uid %" PRIu32, target->uid);
}

void stop_plan_append_names(const struct stop_plan *plan, struct remedy *out)
{
	size_t total = plan->task_count + plan->target_count - (plan->task_count ? 1 : 0), count = 0;

	if (total > 1)
		remedy_text(out, "all %zu: ", total);
	for (size_t i = 0; i < plan->target_count && count < NAMES_MAX; i++) {
		if (plan->targets[i].kind == STOP_PROCESSES)
			continue;
		remedy_text(out, "%s", count++ ? ", " : "");
		append_target(&plan->targets[i], out);
	}
	for (size_t i = 0; i < plan->task_count && count < NAMES_MAX; i++)
		remedy_text(out, "%s%s%s", count++ ? ", " : "", task_name(&plan->tasks[i]).s,
			    plan->restarts[i] ? " (starts the next one again)" : "");
	if (total > count)
		remedy_text(out, " and %zu more", total - count);
}
