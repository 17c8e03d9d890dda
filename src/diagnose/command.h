/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shell commands that a user can paste. Processes, units, containers and namespaces may have names that are chosen to
 * do harm, so a name enters a command only as one quoted word.
 */
#ifndef PORTTRACE_DIAGNOSE_COMMAND_H
#define PORTTRACE_DIAGNOSE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_SIZE 1024

/* A command that did not fit becomes empty at the end, so that no user pastes half a command. */
struct command {
	char text[COMMAND_SIZE];
	size_t length;
	bool is_cut;
};

/* Appends text of porttrace, never a name from outside. */
void command_append(struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * Appends one word for sh(1), in single quotes if it has other characters than letters, digits and _@%+=:,./- or
 * begins with '-'. A control character cannot be pasted safely: the command becomes empty.
 */
void command_append_word(struct command *command, const char *word);
/* The finished command; "" when it did not fit or cannot be written. */
const char *command_text(const struct command *command);

#endif
