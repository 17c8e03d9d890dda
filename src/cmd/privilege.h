/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages for a user without the privileges that a command needs: what to type. */
#ifndef PORTTRACE_CMD_PRIVILEGE_H
#define PORTTRACE_CMD_PRIVILEGE_H

/* Prints why the command cannot run. argv: of the command, NULL-terminated. reason: what was refused, and why. */
void privilege_print_refused(char *const *argv, const char *reason);

/* Prints what an answer without BPF lacks; "": nothing. limits: of scan_source_limits(). */
void privilege_print_limits(char *const *argv, const char *limits);

#endif
