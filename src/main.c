/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * porttrace: show which process takes which port, live, and why the kernel refuses others.
 *
 * The map of the source, in the order in which an event travels:
 *
 *   ../bpf/                  the programs in the kernel: entry points per backend, one handler per fact
 *   ../include/porttrace/    what both sides read: wire.h (every event), settings.h, churn.h
 *   system/                  what procfs, netlink, sysctl and network namespaces say (no libbpf)
 *   probe/                   the programs in the kernel: features, selection, load, attach (libbpf)
 *   source/                  where events come from
 *     live.c snapshot.c      the ring buffer; the sockets that exist already, in every network namespace
 *     counters.c port_usage.c  the counters of an interval, and how full the port ranges are
 *     capture.c              the file that keeps a run, written and read
 *   model/                   what is true now: apply.c takes an event, the tables keep it
 *   diagnose/                why a call was refused (the kernel's rules, pure); when ports run out
 *   render/                  what the user sees: text, JSON
 *   stream/                  the pipeline that live and replay share: event -> model -> explanation -> report
 *   why/                     the question of `porttrace why`: caller, environment, holders, answer
 *   cmd/                     a file per subcommand
 *   loop.c                   one epoll: ring, timers, signals
 *   util/                    small and general: escaping, addresses, times
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/option_table.h"
#include "cmd/output.h"
#include "util/nearest.h"

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

static _Noreturn void unknown_command(const char *name)
{
	const struct option_context context = {.program = "porttrace"};
	const char *names[sizeof(commands) / sizeof(commands[0]) + 1] = {NULL}, *nearest;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		names[i] = commands[i].name;
	nearest = nearest_word(name, names);
	if (nearest)
		option_misuse(&context, "unknown command '%s'; did you mean '%s'?", name, nearest);
	option_misuse(&context, "unknown command '%s'", name);
}

int main(int argc, char **argv)
{
	const struct command *command;
	char name[64];

	output_check_at_exit();
	/* Without a command, porttrace shows the live stream. */
	if (argc < 2 || *argv[1] == '-' || isdigit((unsigned char)*argv[1]))
		return cmd_trace(argc, argv);
	command = command_find(argv[1]);
	if (!command)
		unknown_command(argv[1]);
	/* The program's name in --help and in messages. */
	snprintf(name, sizeof(name), "porttrace %s", command->name);
	argv[1] = name;
	return command->run(argc - 1, argv + 1);
}
