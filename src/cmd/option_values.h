/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Readers of option values, for the rows of an option table. The comment of each names the type of
 * *field. Those marked "list" read values separated by commas and add them to *field.
 */
#ifndef PORTTRACE_CMD_OPTION_VALUES_H
#define PORTTRACE_CMD_OPTION_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/option_table.h"

/* The bit of option_events() for port-usage summaries, which are not a wire_kind. */
#define OPTION_EVENT_CHURN (1U << 31)
#define OPTION_EVENTS_ALL                                                                                      \
	(1U << WIRE_BIND | 1U << WIRE_LISTEN | 1U << WIRE_CONNECT | 1U << WIRE_ACCEPT | 1U << WIRE_CLOSE |     \
	 1U << WIRE_TIMEWAIT | 1U << WIRE_RELEASE | OPTION_EVENT_CHURN)

option_fn option_true;		/* bool */
option_fn option_bits;		/* uint32_t, |= row->bits */
option_fn option_count;		/* uint64_t, above 0 */
option_fn option_seconds;	/* double, 0.001 to 1e9 */
option_fn option_process;	/* uint32_t, above 0 */
option_fn option_pids;		/* struct settings_numbers, list */
option_fn option_users;		/* struct settings_numbers, list */
option_fn option_netns;		/* struct settings_numbers, list */
option_fn option_protocols;	/* struct settings_numbers, list */
option_fn option_comms;		/* struct settings_names, list */
option_fn option_networks;	/* struct settings_cidrs, list */
option_fn option_ports;		/* struct settings: local ports, list of targets */
option_fn option_remote_ports;	/* struct settings: remote ports, list of targets */
option_fn option_events;	/* uint32_t: bits 1 << wire_kind, list */
option_fn option_cgroup;	/* struct settings */
option_fn option_time;		/* enum time_style */
option_fn option_color;		/* enum colour_mode */
option_fn option_probes;	/* int: enum backend, or -1 */

/* A whole number within bounds; false: the text is not one. */
bool option_number(const char *text, unsigned long low, unsigned long high, unsigned long *out);
/* The id of a user, by name or number. If there is no such user, ends the process with a message. */
uint32_t option_user(const struct option_context *context, const char *text);

#endif
