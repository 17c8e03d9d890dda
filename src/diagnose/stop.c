/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the supervisor of processes (unit, container, none), and the command that stops it. */
#include "diagnose/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/remedy.h"
#include "diagnose/sentence.h"

#define NAMES_MAX 5 /* names in a sentence; the command has all */

void stop_plan_init(struct stop_plan *plan)
{
	plan->target_count = plan->task_count = 0;
	plan->is_impossible = plan->has_caller = false;
}

static bool has_comm(const struct wire_task *task, const char *comm)
{
	return !strncmp(task->comm, comm, sizeof(task->comm));
}

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), wanted = strlen(end);

	return length > wanted && !strcmp(text + length - wanted, end);
}

/* These processes serve all containers of the machine. */
static bool serves_all_containers(const struct wire_task *task)
{
	return has_comm(task, "dockerd") || has_comm(task, "containerd") || has_comm(task, "crio") ||
	       has_comm(task, "kubelet");
}

/* The part of a path after "user@UID.service/"; NULL: not of a user's systemd. */
static const char *user_part(const char *cgroup, uint32_t *uid)
{
	const char *at = strstr(cgroup, "/user@");
	char *end;

	if (!at)
		return NULL;
	*uid = (uint32_t)strtoul(at + strlen("/user@"), &end, 10);
	return strncmp(end, ".service/", 9) ? NULL : end + 9;
}

/* A scope is a session, a terminal or a container; only a service is stopped as a unit. */
static bool unit_of(const struct process *process, struct stop_target *target)
{
	if (!ends_with(process->unit, ".service") || !strncmp(process->unit, "user@", 5))
		return false;
	target->kind = user_part(process->cgroup, &target->uid) ? STOP_USER_UNIT : STOP_UNIT;
	snprintf(target->name, sizeof(target->name), "%s", process->unit);
	return true;
}

/* The runtime, from the text around the id in the path: "docker-ID.scope" or "/docker/ID", "libpod-ID.scope",
 * "crio-ID.scope", "cri-containerd-ID.scope". */
static bool container_of(const struct process *process, struct stop_target *target)
{
	if (!process->container[0])
		return false;
	if (strstr(process->cgroup, "libpod"))
		target->kind = STOP_PODMAN;
	else if (strstr(process->cgroup, "crio-") || strstr(process->cgroup, "cri-containerd"))
		target->kind = STOP_CRI;
	else
		target->kind = STOP_DOCKER;
	snprintf(target->name, sizeof(target->name), "%.12s", process->container);
	if (target->kind == STOP_CRI) /* crictl takes any unambiguous part; docker and podman print 12 digits */
		snprintf(target->name, sizeof(target->name), "%.13s", process->container);
	return true;
}

static struct stop_target *target_find(const struct stop_plan *plan, const struct stop_target *target)
{
	for (size_t i = 0; i < plan->target_count; i++) {
		const struct stop_target *known = &plan->targets[i];

		if (known->kind == target->kind && known->uid == target->uid && !strcmp(known->name, target->name))
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

static void add_task(struct stop_plan *plan, const struct wire_task *task)
{
	const struct stop_target processes = {.kind = STOP_PROCESSES};

	if (task_find(plan, task->pid))
		return;
	if (plan->task_count == STOP_PIDS_MAX) {
		plan->is_impossible = true;
		return;
	}
	plan->tasks[plan->task_count++] = *task;
	add_target(plan, &processes);
}

static bool is_systemd(const struct wire_task *task)
{
	return task->pid == 1 || has_comm(task, "systemd");
}

void stop_plan_add(struct stop_plan *plan, const struct finding *f, const struct holder *holder)
{
	bool systemd_has_it = false, has_target = false;

	if (holder->sock.flags & WIRE_KERNEL_OWNED || (!holder->pid_count && !holder->owner.pid) || holder->owner_gone)
		plan->is_impossible = true;
	for (size_t i = 0; i < holder->pid_count; i++)
		systemd_has_it |= is_systemd(&holder->pids[i]);
	for (size_t i = 0; i < (holder->pid_count ? holder->pid_count : 1); i++) {
		const struct wire_task *task = holder->pid_count ? &holder->pids[i] : &holder->owner;
		const struct process *process = process_of(f, task);
		struct stop_target target = {.has_socket_unit = systemd_has_it};

		plan->has_caller |= f->claim->task.pid && task->pid == f->claim->task.pid;
		if (is_systemd(task) || !task->pid)
			continue;
		has_target = true;
		if (serves_all_containers(task)) {
			plan->is_impossible = true;
		} else if (has_comm(task, "docker-proxy")) {
			target.kind = STOP_PUBLISHED;
			add_target(plan, &target);
		} else if (process && (container_of(process, &target) || unit_of(process, &target))) {
			add_target(plan, &target);
		} else {
			add_task(plan, task);
		}
	}
	/* Processes beyond the list are in the same unit or container; without a unit their pids are missing. */
	if (holder->pid_more && plan->task_count)
		plan->is_impossible = true;
	if (systemd_has_it && !has_target)
		add_target(plan, &(struct stop_target){.kind = STOP_SOCKET_UNIT});
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

enum remedy_action stop_plan_action(const struct stop_plan *plan)
{
	enum remedy_action action = REMEDY_STOP_PROCESS;

	for (size_t i = 0; i < plan->target_count; i++) {
		switch (plan->targets[i].kind) {
		case STOP_PROCESSES:
			break;
		case STOP_UNIT:
		case STOP_USER_UNIT:
		case STOP_SOCKET_UNIT:
			if (action == REMEDY_STOP_PROCESS)
				action = REMEDY_STOP_UNIT;
			break;
		case STOP_DOCKER:
		case STOP_PODMAN:
		case STOP_CRI:
		case STOP_PUBLISHED:
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
		break;
	case STOP_UNIT:
	case STOP_USER_UNIT:
		remedy_text(out, "%s", escaped(target->name).s);
		break;
	case STOP_SOCKET_UNIT:
		remedy_text(out, "the .socket unit for which systemd listens");
		break;
	case STOP_DOCKER:
	case STOP_PODMAN:
	case STOP_CRI:
		remedy_text(out, "container %s", target->name);
		break;
	case STOP_PUBLISHED:
		remedy_text(out, "the container that publishes the port");
		break;
	}
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
		remedy_text(out, "%s%s", count++ ? ", " : "", task_name(&plan->tasks[i]).s);
	if (total > count)
		remedy_text(out, " and %zu more", total - count);
}

static void unit_command(const struct stop_target *target, struct command *command)
{
	size_t stem = strlen(target->name) - strlen(".service");
	char socket[sizeof(target->name)];

	command_append(command, "systemctl ");
	if (target->kind == STOP_USER_UNIT)
		command_append(command, "--user --machine=%" PRIu32 "@ ", target->uid);
	command_append(command, "stop ");
	if (target->has_socket_unit) {
		snprintf(socket, sizeof(socket), "%.*s.socket", (int)stem, target->name);
		command_append_word(command, socket);
		command_append(command, " ");
	}
	command_append_word(command, target->name);
}

static void target_command(const struct stop_plan *plan, const struct stop_target *target, uint16_t port,
			   struct command *command)
{
	switch (target->kind) {
	case STOP_PROCESSES:
		command_append(command, "kill");
		for (size_t i = 0; i < plan->task_count; i++)
			command_append(command, " %" PRIu32, plan->tasks[i].pid);
		return;
	case STOP_UNIT:
	case STOP_USER_UNIT:
		unit_command(target, command);
		return;
	case STOP_SOCKET_UNIT:
		/* Columns of list-sockets: LISTEN UNIT ACTIVATES. */
		command_append(command,
			       "systemctl stop $(systemctl list-sockets --all --full --no-legend --plain | "
			       "awk '$1 ~ /[:]%u$/ || $1 == \"%u\" { print $2 }')", port, port);
		return;
	case STOP_DOCKER:
		command_append(command, "docker stop %s", target->name);
		return;
	case STOP_PODMAN:
		command_append(command, "podman stop %s", target->name);
		return;
	case STOP_CRI:
		command_append(command, "crictl stop %s", target->name);
		return;
	case STOP_PUBLISHED:
		command_append(command, "docker stop $(docker ps --quiet --filter publish=%u)", port);
		return;
	}
}

void stop_plan_command(const struct stop_plan *plan, uint16_t port, struct command *command)
{
	for (size_t i = 0; i < plan->target_count; i++) {
		if (i)
			command_append(command, "; ");
		target_command(plan, &plan->targets[i], port, command);
	}
}
