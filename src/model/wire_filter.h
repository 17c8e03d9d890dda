/* SPDX-License-Identifier: GPL-2.0-only */
/* Applies the filters of the command line to events that the kernel did not filter: those of a capture. */
#ifndef PORTTRACE_MODEL_WIRE_FILTER_H
#define PORTTRACE_MODEL_WIRE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "porttrace/settings.h"
#include "porttrace/wire.h"

/*
 * Whether the filters accept the socket and the task of an event, as bpf/filter.bpf.c does
 * (tests/live/filters.table tests both). Not checked: the kind of event, and whether it failed. An event has
 * only the id of its own cgroup, so descendants of the wanted cgroup do not match. An event without a socket
 * is accepted.
 */
bool wire_filter(const struct settings *settings, const struct wire_hdr *event);

/*
 * Whether the filters accept traffic from one address to one peer. local_addr or remote_port 0: not known, or
 * none. task NULL: of several processes; process filters then accept it. Filters for local ports and users
 * are not applied: a flow has many local ports and no known user.
 */
bool wire_filter_flow(const struct settings *settings, const uint8_t local_addr[16],
		      const uint8_t remote_addr[16], uint16_t remote_port, uint16_t protocol,
		      const struct wire_task *task);

#endif
