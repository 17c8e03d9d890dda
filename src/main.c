/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * porttrace: who takes which port, live, and why the kernel refused.
 *
 * The map of the source, in the order in which an event travels:
 *
 *   ../bpf/                  the programs in the kernel: entry points per backend, one handler per fact
 *   ../include/porttrace/    what both sides read: wire.h (every event), settings.h, churn.h
 *   source/                  where events come from; the only folder that includes libbpf
 *     kernel.c hooks.c       choose, load and attach the programs
 *     live.c                 ring buffer, looks and counters as one source
 *     sample*.c census.c     the counters of an interval, and how full the ports are
 *     snapshot.c netns.c     what exists already, in every network namespace
 *     process.c kernel_fs.c  /proc; tracefs and cgroup v2 wherever they are
 *     capture.c              the file that keeps a run, written and read
 *   model/                   what is true now: apply.c takes an event, the tables keep it; wire_check.c and
 *                            wire_filter.c stand before it
 *   diagnose/                why a call was refused: the kernel's rules, pure; forecast.c warning.c: before
 *                            ports run out
 *   render/                  what the user sees: text, JSON
 *   cmd/                     a file per subcommand; only these join the folders
 *     trace.c explain.c      the live stream, and its refusals joined with their holders
 *     ls.c doctor.c          the port table once; what this kernel allows
 *     why*.c                 one port: who has it, would a bind succeed, what would help
 *     ephemeral.c            the pools of ephemeral ports, an interval at a time
 *     record.c replay.c      the stream into a file, and out of it again
 *     session.c              what live and replay share: event -> model -> explanation -> report
 *     options.c              the options they share
 *   loop.c                   one epoll: ring, timers, signals
 *   util/                    small and general: escaping, addresses, times
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/output.h"

static const struct command commands[] = {
	{"ls", "the port table, once", cmd_ls},
	{"why", "who has a port, and whether a bind of it would succeed", cmd_why},
	{"ephemeral", "how fast ephemeral ports are taken, how full they are, until when", cmd_ephemeral},
	{"record", "keep the live stream in a file", cmd_record},
	{"replay", "show a recorded stream again", cmd_replay},
	{"doctor", "what this kernel and these privileges allow", cmd_doctor},
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct command *command;
	char name[64];

	output_check_at_exit();
	/* The bare word traces, and so does anything that starts like an option or a port. */
	if (argc < 2 || *argv[1] == '-' || isdigit((unsigned char)*argv[1]))
		return cmd_trace(argc, argv);
	command = command_find(argv[1]);
	if (!command) {
		fprintf(stderr, "porttrace: '%s' is neither a command nor a port (see 'porttrace --help')\n",
			argv[1]);
		return EXIT_MISUSED;
	}
	/* How argp, and so every message about an option, names us. */
	snprintf(name, sizeof(name), "porttrace %s", command->name);
	argv[1] = name;
	return command->run(argc - 1, argv + 1);
}
