/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the supervisor of a process from its name, its cgroup and the service that its parents have.
 *
 * A unit is one of the machine's only if nothing but slices (and user@UID.service) stands above it: in
 * /lxc.payload.web/system.slice/nginx.service it is the container's systemd that runs nginx, and systemctl would stop
 * another nginx.
 */
#include "diagnose/supervisor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether it runs this program. A process chooses its name, but not its executable. */
static bool is_program(const struct wire_task *task, const struct process *process, const char *program)
{
	const char *exe = process ? process->exe : "", *name = strrchr(exe, '/');
	size_t length = strlen(program);

	if (strncmp(task->comm, program, sizeof(task->comm) - 1))
		return false;
	/* "/usr/bin/dockerd (deleted)" after an update */
	return !name || (!strncmp(name + 1, program, length) && (!name[1 + length] || name[1 + length] == ' '));
}

static bool is_any_program(const struct wire_task *task, const struct process *process, const char *const *programs)
{
	for (; *programs; programs++) {
		if (is_program(task, process, *programs))
			return true;
	}
	return false;
}

bool supervisor_is_systemd(const struct wire_task *task, const struct process *process)
{
	return task->pid == 1 || is_program(task, process, "systemd");
}

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t wanted = strlen(end);

	return length > wanted && !memcmp(text + length - wanted, end, wanted);
}

/* Stopping one of these ends all containers of the machine, or of a user. */
static bool runs_containers(const char *unit)
{
	static const char *const names[] = {"docker.service", "containerd.service", "crio.service", "cri-o.service",
					    "kubelet.service", "k3s.service", "k3s-agent.service", "rke2-server.service",
					    "rke2-agent.service", "nomad.service", "snap.docker.dockerd.service",
					    "podman.service", "lxd.service", "incus.service"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!strcmp(unit, names[i]))
			return true;
	}
	return false;
}

/* The part of a path below "user@UID.service/", which belongs to that user's systemd; NULL: there is none. */
static const char *below_user(const char *cgroup, uint32_t *uid)
{
	static const char start[] = "/user@", end[] = ".service/";
	const char *at = strstr(cgroup, start);
	char *after;

	if (!at)
		return NULL;
	*uid = (uint32_t)strtoul(at + strlen(start), &after, 10);
	return after == at + strlen(start) || strncmp(after, end, strlen(end)) ? NULL : after + strlen(end);
}

/* The first component that is not a slice, if it is a service. */
static bool service_of(const char *path, char *name, size_t size)
{
	size_t length;

	for (; *path; path += length) {
		path += strspn(path, "/");
		length = strcspn(path, "/");
		if (ends_with(path, length, ".slice"))
			continue;
		if (!ends_with(path, length, ".service") || length >= size)
			return false;
		snprintf(name, size, "%.*s", (int)length, path);
		return true;
	}
	return false;
}

/* A scope is a session, a terminal or a container of its own: a unit to stop is a service. */
static bool find_unit(const struct process *process, struct stop_target *target)
{
	uint32_t uid = 0;
	const char *below = below_user(process->cgroup, &uid);

	if (!service_of(below ? below : process->cgroup, target->name, sizeof(target->name)) ||
	    runs_containers(target->name) || (!below && !strncmp(target->name, "user@", 5)))
		return false;
	target->kind = STOP_UNIT;
	target->of_user = below;
	target->uid = uid;
	return true;
}

/* docker and podman print 12 digits of an id, crictl 13. */
static void set_container(struct stop_target *target, enum stop_kind kind, const char *id)
{
	target->kind = kind;
	snprintf(target->name, sizeof(target->name), kind == STOP_CRI ? "%.13s" : "%.12s", id);
}

/* The runtime by what it puts around the id in the path: "docker-ID.scope" or "/docker/ID", "libpod-ID.scope",
 * "nerdctl-ID.scope", "crio-ID.scope", "cri-containerd-ID.scope"; in a pod, "/kubepods/...". */
static bool find_container(const struct process *process, struct stop_target *target)
{
	static const struct {
		const char *mark;
		enum stop_kind kind;
	} runtimes[] = {
		{"libpod", STOP_PODMAN}, {"nerdctl-", STOP_NERDCTL}, {"crio-", STOP_CRI}, {"cri-containerd", STOP_CRI},
		{"kubepods", STOP_CRI},
	};
	enum stop_kind kind = STOP_DOCKER;

	if (!process->container[0])
		return false;
	for (size_t i = sizeof(runtimes) / sizeof(runtimes[0]); i-- > 0;) {
		if (strstr(process->cgroup, runtimes[i].mark))
			kind = runtimes[i].kind;
	}
	target->of_user = below_user(process->cgroup, &target->uid);
	target->in_pod = strstr(process->cgroup, "kubepods");
	set_container(target, kind, process->container);
	return true;
}

/* Helpers outside of the container that have its port open. */
static bool find_served(const struct wire_task *task, const struct process *process, struct stop_target *target)
{
	static const char *const docker[] = {"docker-proxy", "rootlesskit", NULL};
	static const char *const podman[] = {"rootlessport", "rootlessport-child", NULL};
	static const char *const network[] = {"pasta", "pasta.avx2", "passt", "passt.avx2", "slirp4netns", NULL};
	char id[sizeof(process->container)] = "";

	target->uid = task->uid;
	target->of_user = task->uid;
	if (is_any_program(task, process, docker)) {
		target->kind = STOP_DOCKER_PUBLISHED;
		if (process && below_user(process->cgroup, &target->uid))
			target->of_user = true;
	} else if (is_any_program(task, process, podman) ||
		   /* With a network namespace of podman. Others (of a virtual machine) are processes like any. */
		   (is_any_program(task, process, network) && process && strstr(process->cmdline, "/netns/"))) {
		target->kind = STOP_PODMAN_PUBLISHED;
	} else if (is_program(task, process, "conmon") && process) {
		/* conmon -c ID -u ID -r RUNTIME -b .../ID/userdata */
		process_container_of(process->cmdline, id, sizeof(id));
		if (!id[0])
			return false;
		target->in_pod = strstr(process->cgroup, "kubepods");
		set_container(target, target->in_pod || strstr(process->cgroup, "crio") ? STOP_CRI : STOP_PODMAN, id);
	}
	target->is_helper = target->kind != STOP_PROCESSES;
	return target->is_helper;
}

static bool find_service(const struct process *process, struct stop_target *target)
{
	static const enum stop_kind kinds[] = {
		[WIRE_SERVICE_RUNIT] = STOP_RUNIT,
		[WIRE_SERVICE_S6] = STOP_S6,
		[WIRE_SERVICE_DAEMONTOOLS] = STOP_DAEMONTOOLS,
		[WIRE_SERVICE_SUPERVISORD] = STOP_SUPERVISORD,
		[WIRE_SERVICE_PM2] = STOP_PM2,
	};
	const struct wire_service *service = &process->service;

	/* Of a later version. */
	if (service->kind >= sizeof(kinds) / sizeof(kinds[0]) || !kinds[service->kind])
		return false;
	target->kind = kinds[service->kind];
	target->uid = service->uid;
	target->of_user = service->uid;
	target->started = service->pid;
	snprintf(target->name, sizeof(target->name), "%s", service->name);
	snprintf(target->control, sizeof(target->control), "%s", service->control);
	return true;
}

static void clear(struct stop_target *target)
{
	*target = (struct stop_target){.kind = STOP_PROCESSES, .is_udp = target->is_udp,
				       .has_socket_unit = target->has_socket_unit};
}

void supervisor_find(const struct wire_task *task, const struct process *process, struct stop_target *target)
{
	static const char *const servers[] = {"dockerd", "containerd", "containerd-shim", "containerd-shim-runc-v2",
					      "crio", "kubelet", "k3s", "k3s-server", "podman", "lxd", "incusd", NULL};

	clear(target);
	if (supervisor_is_systemd(task, process) || is_any_program(task, process, servers)) {
		target->kind = STOP_NEVER;
		return;
	}
	/* Not the unit of the supervisor, which has other services too. */
	if (process && !process->container[0] && find_service(process, target))
		return;
	/* A unit that runs a container would start it again. */
	if (process && find_unit(process, target))
		return;
	clear(target);
	if (find_served(task, process, target))
		return;
	clear(target);
	if (process)
		find_container(process, target);
}
