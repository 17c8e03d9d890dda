/* SPDX-License-Identifier: GPL-2.0-only */
/* The values that options take: text -> struct options. All end the process on an error, as argp does. */
#ifndef PORTTRACE_CMD_OPTION_VALUES_H
#define PORTTRACE_CMD_OPTION_VALUES_H

#include <argp.h>
#include <stdbool.h>

#include "cmd/options.h"

typedef void (*option_fn)(struct options *options, const char *text, struct argp_state *state);

/* Calls `each` for the parts of a comma list. */
void option_list(struct options *options, const char *text, option_fn each, struct argp_state *state);

void option_local_port(struct options *options, const char *text, struct argp_state *state);
void option_remote_port(struct options *options, const char *text, struct argp_state *state);
void option_local(struct options *options, const char *text, struct argp_state *state);
void option_remote(struct options *options, const char *text, struct argp_state *state);
void option_pid(struct options *options, const char *text, struct argp_state *state);
void option_user(struct options *options, const char *text, struct argp_state *state);
void option_comm(struct options *options, const char *text, struct argp_state *state);
void option_protocol(struct options *options, const char *text, struct argp_state *state);
void option_netns(struct options *options, const char *text, struct argp_state *state);
void option_event(struct options *options, const char *text, struct argp_state *state);
void option_cgroup(struct options *options, const char *text, struct argp_state *state);

/* A whole number within bounds; false: the text is something else. */
bool option_number(const char *text, unsigned long low, unsigned long high, unsigned long *out);
double option_seconds(const char *text, const char *option, struct argp_state *state);
/* The index of text in names, which ends in NULL. */
int option_choice(const char *text, const char *option, const char *const *names,
		  struct argp_state *state);

#endif
