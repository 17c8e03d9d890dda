/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * porttrace: show which process takes which port, live, and why the kernel refuses others.
 *
 * The map of the source, in the order in which an event travels. A header is described with its .c file.
 *
 *   ../bpf/                 the programs in the kernel: entry points per backend, one handler per fact
 *   ../include/porttrace/   read by both sides: wire.h (every event), settings.h (filters), churn.h (counters)
 *
 *   system/                 what procfs, netlink, sysctl and network namespaces say (no libbpf)
 *     procfs.c proc_file.c  what procfs says of a process; reads a file of procfs whole
 *     netns.c netns_read.c mountinfo.c  finds and enters network namespaces; their settings and counters; nsfs mounts
 *     netlink.c device.c    netlink sockets; what a network device is (a VRF, in one)
 *     fdless_owner.c        processes that hold a socket without a file descriptor
 *     kernel_fs.c           opens kernel file systems (cgroup2, tracefs) wherever they are mounted
 *   probe/                  the programs in the kernel, selected, loaded and attached (libbpf)
 *     kernel.c programs.c   loads and attaches the programs; the two compilations of them
 *     hooks.c selection.c   which programs report which fact on which backend; selects among them
 *     features.c functions.c  what this kernel and these privileges allow; which functions can be probed
 *     verifier_log.c missed.c  why the kernel refused a program; how often it did not run one
 *   source/                 where events come from
 *     live.c                the running kernel: ring buffer, scans, counters
 *     snapshot.c iterator.c   the sockets that exist, through BPF iterators, in every network namespace
 *     counters.c flow_counters.c  the counters of an interval, per namespace and per flow
 *     socket_list.c         the answer of a lookup, of bounded size
 *     port_usage.c          how many ports of a range or towards a destination are in use
 *     map_reader.c chunk_reader.c  reads BPF maps in batches, and iterators in chunks
 *     capture.c             reads and writes capture files
 *   model/                  what is true now, a function of the events alone
 *     model.c apply.c       the tables together; what each event changes in them
 *     port_table.c slab.c   sockets that have a port; memory for their entries
 *     closed_cache.c        recently closed sockets, against events that arrive late
 *     failure_ring.c        recent refused calls with the holders of their ports
 *     process_table.c       processes
 *     netns_table.c         network namespaces: totals in, changes per interval out
 *     flow_table.c search_table.c pool_table.c  the same per flow and port search; ports in use per destination
 *     wire_check.c wire_event.c wire_filter.c  validates, takes apart and filters events
 *   diagnose/               why a call was refused, what would help, when ports run out: rules, without I/O
 *     diagnose.c            explains a refused call, with the files below
 *     claim.c overlap.c share.c bucket.c  what a call asks for; which sockets it meets; whether they can share
 *     verdict.c cause.c sock_kind.c  the errno that the kernel's rules give; the rule that decides; kinds of sockets
 *     pool.c forecast.c warning.c  ephemeral ports left; when they run out; the warnings about it
 *     sentence.c sentence_call.c sentence_connection.c sentence_holder.c sentence_range.c  the explanation in words
 *   render/                 what the user sees
 *     render.c              the table of output formats
 *     fields.c names.c      the fields of a record as data; names of events, states and options
 *     text.c text_line.c text_cells.c text_words.c text_out.c  the stream as text; its rows, cells and words
 *     text_ports.c text_churn.c text_conflict.c text_ephemeral.c text_why.c  each kind of text output
 *     json.c json_line.c json_out.c json_churn.c json_conflict.c json_why.c  the same as JSON
 *     fold.c                repeated lines as one line with a count
 *     format_number.c search.c status_lines.c  numbers; port-search times; messages on stderr
 *   stream/                 the pipeline that live and replay share: event, model, explanation, report
 *     session.c config.c    runs an event through the pipeline; what a command asks of it
 *     live_stream.c batch.c  the session of a live source; the events of one read of the ring
 *     explain.c holder_details.c  explains a refused call; completes the holders of its port
 *     lookup.c              asks the source for facts that the model does not have
 *     fd_lookup.c fd_cache.c scan_history.c  which processes have a socket open; recent answers; recent scans
 *     prefetch.c budget.c port_usage_cache.c  one scan for a batch; the limit on scans; sockets per namespace
 *   why/                    the question of `porttrace why`
 *     caller.c bind_environment.c  who would bind; the settings that would apply
 *     holders.c inactive_sockets.c  who holds the port, with and without a process
 *     scan.c question.c report.c  finds the sockets that matter; applies the kernel's rules; reports the result
 *   cmd/                    one file per command, and the options
 *     trace.c ls.c why.c ephemeral.c record.c replay.c doctor.c  the commands
 *     option_table.c option_values.c  parses options; reads their values
 *     options.c why_options.c  options that commands share; those of `porttrace why`
 *     output.c              errors of standard output
 *   util/                   small and general
 *     address.c time_format.c errno_name.c escape.c  addresses, times and errnos as text; unsafe bytes escaped
 *     clock.c nearest.c     the clock of events; suggestions for misspelled words
 *   loop.c                  the main loop: descriptors, timers, signals
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/option_table.h"
#include "cmd/output.h"
#include "util/nearest.h"

static const struct command commands[] = {
	{"ls", cmd_ls},	      {"why", cmd_why},	      {"ephemeral", cmd_ephemeral},
	{"record", cmd_record}, {"replay", cmd_replay}, {"doctor", cmd_doctor},
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
