/* SPDX-License-Identifier: GPL-2.0-only */
/* The filters of the command line for events that the kernel did not filter: those of a capture. */
#ifndef PORTTRACE_MODEL_WIRE_FILTER_H
#define PORTTRACE_MODEL_WIRE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "porttrace/settings.h"
#include "porttrace/wire.h"

/*
 * Whether the filters accept the socket and the task of an event, as bpf/filter.bpf.c decides it (one table tests both:
 * tests/live/filters.table). Not checked: the kind of event, and whether it failed. An event has only the id of its
 * cgroup, so cgroups below the wanted one do not match. An event without a socket is accepted.
 */
bool wire_filter(const struct settings *settings, const struct wire_hdr *event);

/*
 * Whether the filters accept traffic from one address to one peer. local_addr or remote_port 0: not known, or none.
 * task NULL: of many processes, so that filters for processes accept it. The filters for local ports and for users do
 * not apply: a flow has many local ports, and its user is not known.
 */
bool wire_filter_flow(const struct settings *settings, const uint8_t local_addr[16],
		      const uint8_t remote_addr[16], uint16_t remote_port, uint16_t protocol,
		      const struct wire_task *task);

#endif
