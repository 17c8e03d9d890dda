/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What would start a process again, or has it as one of its parts: a systemd unit, a container, a supervising parent. It
 * is stopped instead of the process.
 *
 * Never pid 1, a user's systemd, dockerd, containerd or their like: ending these ends a machine, a session or all
 * containers.
 */
#ifndef PORTTRACE_DIAGNOSE_SUPERVISOR_H
#define PORTTRACE_DIAGNOSE_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "model/process_table.h"
#include "porttrace/wire.h"

enum stop_kind {
	STOP_PROCESSES,		/* nothing supervises it: by pid */
	STOP_NEVER,
	STOP_UNIT,
	STOP_SOCKET_UNIT,	/* a socket that systemd itself holds: its name is asked of systemctl */
	STOP_DOCKER,
	STOP_PODMAN,
	STOP_NERDCTL,		/* containerd */
	STOP_CRI,		/* by crictl: containerd, CRI-O */
	STOP_RUNIT,		/* a service of these supervisors */
	STOP_S6,
	STOP_DAEMONTOOLS,
	STOP_SUPERVISORD,
	STOP_PM2,
	STOP_DOCKER_PUBLISHED,	/* the container that publishes the port: its id is asked of docker, podman */
	STOP_PODMAN_PUBLISHED,
};

struct stop_target {
	enum stop_kind kind;
	char name[256];		/* of the unit, the container's id, or as in struct wire_service */
	char control[128];	/* STOP_SUPERVISORD, STOP_PM2: as in struct wire_service */
	bool of_user;		/* of a user's systemd, supervisor or rootless runtime */
	uint32_t uid;		/* of_user: whose */
	bool is_udp;		/* STOP_SOCKET_UNIT, STOP_*_PUBLISHED: protocol of the port */
	bool has_socket_unit;	/* systemd holds the socket too: the .socket unit would start it again */
	bool in_pod;		/* kubelet starts it again */
	uint32_t started;	/* STOP_RUNIT to STOP_PM2: pid of the process that the supervisor ends */
	bool is_helper;		/* the process has the port for the container and takes no options from it */
};

/* pid 1, or the systemd of a user. */
bool supervisor_is_systemd(const struct wire_task *task, const struct process *process);

/* `process`: of the task; NULL: not known. Sets the target, but for is_udp and has_socket_unit. */
void supervisor_find(const struct wire_task *task, const struct process *process, struct stop_target *target);

#endif
