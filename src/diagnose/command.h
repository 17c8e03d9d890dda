/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shell commands that a user can paste. Names come from processes, units, containers and namespaces, which may
 * have chosen them to harm: a name enters a command only as one quoted word.
 */
#ifndef PORTTRACE_DIAGNOSE_COMMAND_H
#define PORTTRACE_DIAGNOSE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_SIZE 1024

/* A command that did not fit is empty at the end: half a command must not be pasted. */
struct command {
	char text[COMMAND_SIZE];
	size_t length;
	bool is_cut;
};

/* Text of ours, never from outside. */
void command_append(struct command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * One word for sh(1), in single quotes where it has more than letters, digits and _@%+=:,./- or begins with '-'.
 * A control character cannot be pasted safely: the command becomes empty.
 */
void command_append_word(struct command *command, const char *word);
/* The finished command; "" when it did not fit or cannot be written. */
const char *command_text(const struct command *command);

#endif
