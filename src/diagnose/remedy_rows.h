/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the files of remedies: an attempt in a copy of the situation, and the rows. */
#ifndef PORTTRACE_DIAGNOSE_REMEDY_ROWS_H
#define PORTTRACE_DIAGNOSE_REMEDY_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "diagnose/cause.h"
#include "diagnose/command.h"
#include "diagnose/diagnose.h"
#include "diagnose/sentence.h"
#include "diagnose/situation.h"
#include "diagnose/stop.h"

/* The attempt of one remedy. The row changes `situation`, `pool` and `settings`, and records what its text needs. */
struct attempt {
	const struct finding *f;
	const struct netns_entry *netns; /* `settings`, or NULL where none are known */
	const char *enter;		 /* what a command begins with to act in the caller's network namespace */
	struct situation before, situation;
	struct netns_entry settings;
	struct pool pool;		 /* size 0: not known */
	struct stop_plan plan;
	const struct holder *destroyed[FAILURE_HOLDERS_MAX];
	size_t destroyed_count;
	uint32_t option;		 /* of the row */
	bool in_both;			 /* the option, in holders and caller */
	uint32_t after_s;
};

struct remedy_row {
	enum remedy_action action;
	enum remedy_effect effect;
	/* Changes the situation as the remedy would. false: the remedy does not apply. */
	bool (*change)(struct attempt *try);
	/* Writes text, command and option; action and effect are already set. */
	void (*write)(const struct attempt *try, struct remedy *out);
	uint32_t option; /* the flag that the row sets: WIRE_REUSEADDR, WIRE_REUSEPORT or WIRE_V6ONLY; else 0 */
};

/* The rows for a requested port that other sockets hold, for a search of the range, for address and privilege, for a
 * connection that failed. */
extern const struct remedy_row holder_remedies[], range_remedies[], call_remedies[], connect_remedies[];
extern const size_t holder_remedy_count, range_remedy_count, call_remedy_count, connect_remedy_count;

/* Copies the command, unless no command can enter the caller's network namespace. */
void remedy_command(const struct attempt *try, struct remedy *out, const struct command *command);
/*
 * The command that stops the processes of the plan, then `then`, which does not enter the network namespace itself: in
 * another one a single shell does both, because the path into the namespace may be /proc/PID/ns/net of a process that
 * the command stops.
 */
void remedy_stop_first(const struct attempt *try, struct remedy *out, const struct command *then);
/* "sysctl -w NAME=VALUE", after the command that stops the plan's processes, if any; and option and value. */
void remedy_sysctl(const struct attempt *try, struct remedy *out, const char *name, const char *value);

/* ss(8): an address and port of a filter ("[::1]:80"), a state, and its name in a filter. */
struct phrase ss_address(const struct wire_sock *sock, const uint8_t addr[16], uint16_t port);
unsigned int ss_state(const struct holder *holder);
const char *ss_state_name(unsigned int state);

/* Ends, in the copy, the processes of every socket that refuses; false: that is not possible. */
bool remedy_stop_refusing(struct attempt *try);

#endif
