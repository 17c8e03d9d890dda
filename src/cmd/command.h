/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands, and the exit status of porttrace. */
#ifndef PORTTRACE_CMD_COMMAND_H
#define PORTTRACE_CMD_COMMAND_H

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_MISUSED = 2,
	EXIT_NOT_ALLOWED = 3, /* this kernel or these privileges do not allow it */
	EXIT_LOST = 5,	      /* done, but events were lost */
};

struct command {
	const char *name;
	/* argv[0] is "porttrace NAME". Returns an exit_status. */
	int (*run)(int argc, char **argv);
};

int cmd_trace(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_ephemeral(int argc, char **argv);
int cmd_why(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_doctor(int argc, char **argv);

#endif
