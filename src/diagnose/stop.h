/* SPDX-License-Identifier: GPL-2.0-only */
/* How to end the processes that have sockets open, by what supervises them: a systemd unit, a container, or nothing. */
#ifndef PORTTRACE_DIAGNOSE_STOP_H
#define PORTTRACE_DIAGNOSE_STOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diagnose/cause.h"
#include "diagnose/command.h"
#include "diagnose/sentence.h"
#include "diagnose/supervisor.h"

#define STOP_TARGETS_MAX 16
#define STOP_PIDS_MAX	 64

struct stop_plan {
	struct stop_target targets[STOP_TARGETS_MAX];
	size_t target_count;
	struct wire_task tasks[STOP_PIDS_MAX]; /* of STOP_PROCESSES */
	bool restarts[STOP_PIDS_MAX];	       /* the task does not have the socket: it starts the next one again */
	size_t task_count;
	bool is_impossible;	/* a process is not known, or must not be ended */
	bool has_caller;	/* the caller itself has one of the sockets */
};

/* An empty plan. */
void stop_plan_init(struct stop_plan *plan);
/* Adds every process that has the holder's socket open. */
void stop_plan_add(struct stop_plan *plan, const struct finding *f, const struct holder *holder);
/* Whether the plan ends every process that has this socket open. */
bool stop_plan_covers(const struct stop_plan *plan, const struct finding *f, const struct holder *holder);
/* Whether anything is to be stopped. */
bool stop_plan_has_any(const struct stop_plan *plan);
/* Whether a process of the plan only has the port for a container: its socket options are not to be chosen. */
bool stop_plan_has_helper(const struct stop_plan *plan);
/* REMEDY_STOP_UNIT if any target is a unit, REMEDY_STOP_CONTAINER if any is a container, else _STOP_PROCESS. */
enum remedy_action stop_plan_action(const struct stop_plan *plan);
/* Appends "nginx.service", "node[4211]", "all 3: node[1], node[2], node[3]" to the text. */
void stop_plan_append_names(const struct stop_plan *plan, struct remedy *out);
/* "kill 4211", "systemctl stop nginx.service", ... joined by "; " */
void stop_plan_command(const struct stop_plan *plan, uint16_t port, struct command *command);

#endif
