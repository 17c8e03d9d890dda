/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands that stop a plan's targets. Names come from others: they enter only as command_append_word(). */
#include "diagnose/stop.h"

#include <inttypes.h>

/* "systemctl ", for the manager that has the unit */
static void append_systemctl(const struct stop_target *target, struct command *command)
{
	command_append(command, "systemctl ");
	if (target->of_user)
		command_append(command, "--user --machine=%" PRIu32 "@ ", target->uid);
}

static void unit_command(const struct stop_target *target, struct command *command)
{
	append_systemctl(target, command);
	command_append(command, "stop ");
	/* The name of the socket's unit need not be that of the service. */
	if (target->has_socket_unit) {
		command_append(command, "$(");
		append_systemctl(target, command);
		command_append(command, "show --property=TriggeredBy --value ");
		command_append_word(command, target->name);
		command_append(command, ") ");
	}
	command_append_word(command, target->name);
}

static void socket_unit_command(const struct stop_target *target, uint16_t port, struct command *command)
{
	append_systemctl(target, command);
	command_append(command, "stop $(");
	append_systemctl(target, command);
	/* Columns: LISTEN TYPE UNIT ACTIVATES. */
	command_append(command, "list-sockets --all --full --no-legend --plain --show-types | "
		       "awk '$2 == \"%s\" && $1 ~ /[:]%u$/ { print $3 }')", target->is_udp ? "Datagram" : "Stream", port);
}

/* "docker ", for the daemon that has the container */
static void append_docker(const struct stop_target *target, struct command *command)
{
	command_append(command, "docker ");
	if (target->of_user)
		command_append(command, "--host=unix:///run/user/%" PRIu32 "/docker.sock ", target->uid);
}

static void docker_published_command(const struct stop_target *target, uint16_t port, struct command *command)
{
	append_docker(target, command);
	command_append(command, "stop $(");
	append_docker(target, command);
	command_append(command, "ps --quiet --filter publish=%u%s)", port, target->is_udp ? "/udp" : "");
}

/* podman has no daemon: a user's containers are known to podman of that user only. */
static void podman_command(const struct stop_target *target, const struct command *podman, struct command *command)
{
	if (!target->of_user) {
		command_append(command, "%s", podman->text);
		return;
	}
	command_append(command, "runuser -l $(id -un %" PRIu32 ") -c ", target->uid);
	command_append_word(command, podman->text);
}

/* Lines of `podman port`: ID 80/tcp -> 0.0.0.0:8080. */
static void podman_published_command(const struct stop_target *target, uint16_t port, struct command *command)
{
	struct command podman = {0};

	command_append(&podman, "podman stop $(podman port --all | awk '$2 ~ /%s$/ && $4 ~ /:%u$/ { print $1 }')",
		       target->is_udp ? "udp" : "tcp", port);
	podman_command(target, &podman, command);
}

static void podman_stop_command(const struct stop_target *target, struct command *command)
{
	struct command podman = {0};

	command_append(&podman, "podman stop %s", target->name);
	podman_command(target, &podman, command);
}

/* As the user of the supervisor, because the directory, or the server, is that user's and may be anything. */
static void append_as_user(const struct stop_target *target, struct command *command)
{
	if (target->of_user)
		command_append(command, "runuser -u $(id -un %" PRIu32 ") -- ", target->uid);
}

/* "sv down DIR" */
static void service_command(const struct stop_target *target, const char *down, struct command *command)
{
	append_as_user(target, command);
	command_append(command, "%s ", down);
	command_append_word(command, target->name);
}

static void supervisord_command(const struct stop_target *target, struct command *command)
{
	append_as_user(target, command);
	command_append(command, "supervisorctl ");
	if (target->control[0]) {
		command_append(command, "-s ");
		command_append_word(command, target->control);
		command_append(command, " ");
	}
	command_append(command, "stop ");
	command_append_word(command, target->name);
}

static void pm2_command(const struct stop_target *target, struct command *command)
{
	append_as_user(target, command);
	if (target->control[0]) {
		command_append(command, "env PM2_HOME=");
		command_append_word(command, target->control);
		command_append(command, " ");
	}
	command_append(command, "pm2 stop ");
	command_append_word(command, target->name);
}

static void kill_command(const struct stop_plan *plan, struct command *command)
{
	command_append(command, "kill");
	for (size_t i = 0; i < plan->task_count; i++)
		command_append(command, " %" PRIu32, plan->tasks[i].pid);
}

static void target_command(const struct stop_target *target, uint16_t port, struct command *command)
{
	switch (target->kind) {
	case STOP_PROCESSES:
	case STOP_NEVER:
		return;
	case STOP_UNIT:
		unit_command(target, command);
		return;
	case STOP_SOCKET_UNIT:
		socket_unit_command(target, port, command);
		return;
	case STOP_DOCKER:
		append_docker(target, command);
		command_append(command, "stop %s", target->name);
		return;
	case STOP_PODMAN:
		podman_stop_command(target, command);
		return;
	case STOP_NERDCTL:
		command_append(command, "nerdctl stop %s", target->name);
		return;
	case STOP_CRI:
		command_append(command, "crictl stop %s", target->name);
		return;
	case STOP_RUNIT:
		service_command(target, "sv down", command);
		return;
	case STOP_S6: /* waits until it is down, at most 7 s as sv does */
		service_command(target, "s6-svc -wD -T 7000 -d", command);
		return;
	case STOP_DAEMONTOOLS:
		service_command(target, "svc -d", command);
		return;
	case STOP_SUPERVISORD:
		supervisord_command(target, command);
		return;
	case STOP_PM2:
		pm2_command(target, command);
		return;
	case STOP_DOCKER_PUBLISHED:
		docker_published_command(target, port, command);
		return;
	case STOP_PODMAN_PUBLISHED:
		podman_published_command(target, port, command);
		return;
	}
}

void stop_plan_command(const struct stop_plan *plan, uint16_t port, struct command *command)
{
	bool has_processes = false, needs_pause = false;

	for (size_t i = 0; i < plan->target_count; i++) {
		if (plan->targets[i].kind == STOP_PROCESSES) {
			has_processes = true;
			continue;
		}
		if (command->length)
			command_append(command, "; ");
		target_command(&plan->targets[i], port, command);
		/* svc does not wait for the supervisor. */
		needs_pause |= plan->targets[i].kind == STOP_DAEMONTOOLS;
	}
	/* Last, because a supervisor would start an ended process again. */
	if (has_processes) {
		if (command->length)
			command_append(command, needs_pause ? "; sleep 1; " : "; ");
		kill_command(plan, command);
	}
}
