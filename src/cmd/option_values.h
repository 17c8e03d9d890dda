/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Readers of option values, for the rows of an option table. Each is an option_fn; the comment names the type of
 * *field. Those marked "list" read values separated by commas and add them to what is there.
 */
#ifndef PORTTRACE_CMD_OPTION_VALUES_H
#define PORTTRACE_CMD_OPTION_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/option_table.h"

/* The bit of option_events() for port-usage summaries, which are not a wire_kind. */
#define OPTION_EVENT_CHURN (1U << 31)

void option_true(const struct option_context *context, const char *text, void *field);	   /* bool */
void option_bits(const struct option_context *context, const char *text, void *field);	   /* uint32_t, |= row->bits */
void option_count(const struct option_context *context, const char *text, void *field);	   /* uint64_t, above 0 */
void option_seconds(const struct option_context *context, const char *text, void *field);  /* double, 0.001 to 1e9 */
void option_process(const struct option_context *context, const char *text, void *field);  /* uint32_t, above 0 */
void option_pids(const struct option_context *context, const char *text, void *field);	   /* struct settings_numbers, list */
void option_users(const struct option_context *context, const char *text, void *field);	   /* struct settings_numbers, list */
void option_netns(const struct option_context *context, const char *text, void *field);	   /* struct settings_numbers, list */
void option_protocols(const struct option_context *context, const char *text, void *field); /* struct settings_numbers, list */
void option_comms(const struct option_context *context, const char *text, void *field);	   /* struct settings_names, list */
void option_networks(const struct option_context *context, const char *text, void *field); /* struct settings_cidrs, list */
void option_ports(const struct option_context *context, const char *text, void *field);	   /* struct settings_ports, list */
void option_events(const struct option_context *context, const char *text, void *field);   /* uint32_t: bits 1 << wire_kind, list */
void option_cgroup(const struct option_context *context, const char *text, void *field);   /* struct settings */
void option_time(const struct option_context *context, const char *text, void *field);	   /* enum time_style */
void option_color(const struct option_context *context, const char *text, void *field);	   /* enum colour_mode */
void option_probes(const struct option_context *context, const char *text, void *field);   /* int: enum backend, or -1 */

/* A whole number within bounds; false: the text is something else. */
bool option_number(const char *text, unsigned long low, unsigned long high, unsigned long *out);
/* The id of a user, by name or number. Ends the process where there is no such user. */
uint32_t option_user(const struct option_context *context, const char *text);

#endif
