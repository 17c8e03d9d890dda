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
 *     procfs.c process_origin.c  program, command line, cgroup and credentials of a process; user, directory, parents
 *     user_name.c           the name of a user
 *     process_service.c     the supervisor, program or loop that starts a process again
 *     proc_file.c proc_stat.c  reads a file of /proc whole; /proc/PID/stat
 *     netns.c netns_read.c  finds and enters network namespaces; their settings and counters
 *     netns_name.c container_name.c  the names of network namespaces and containers
 *     file_caps.c           whether setcap on an executable would reach its process
 *     mountinfo.c           the mounts that keep a network namespace
 *     wireguard.c           the port of a WireGuard device
 *     netlink.c device.c route.c  netlink requests; what a network device is (a VRF, in one); the route to an address
 *     inet_sockets.c socket_fds.c socket_read.c  sockets by sock_diag, their descriptors in /proc, what a descriptor tells
 *     process_fd.c fdless_owner.c  a copy of a descriptor; processes that hold a socket without one
 *     kernel_fs.c           opens kernel file systems (cgroup2, tracefs) wherever they are mounted
 *   probe/                  the programs in the kernel, chosen, loaded and attached (libbpf)
 *     kernel.c programs.c   loads and attaches the programs; opens the skeleton that this kernel can load
 *     hooks.c selection.c   which probes can report which fact; which of them are used
 *     features.c functions.c  what this kernel and these privileges allow; which functions can be probed
 *     verifier_log.c missed.c  why a program was refused; how often a probe was hit and did not run
 *   source/                 where events come from
 *     live.c                the running kernel: ring buffer, scans, counters
 *     sock_diag.c scan_source.c  the same scans without BPF; selects one of the two
 *     machine.c             what both look up in /proc and network namespaces
 *     snapshot.c iterator.c   the sockets that exist, through BPF iterators, in every network namespace
 *     chunk_reader.c socket_list.c  cuts iterator output into records; the sockets that a lookup found
 *     counters.c flow_counters.c  the counters of an interval, per namespace and per flow
 *     port_usage.c          how many ports of a range or towards a destination are in use
 *     map_reader.c          reads BPF maps, by an iterator or in batches
 *     capture.c             reads and writes capture files
 *   model/                  the current state, computed from the events only
 *     model.c apply.c       the tables together; what each event changes in them
 *     port_table.c slab.c   sockets that have a port; memory for their entries
 *     closed_cache.c        recently closed sockets, against events that arrive late
 *     closed_servers.c      recently closed listeners, for connections that are refused
 *     failure_ring.c        recent refused calls with the holders of their ports
 *     repeat_table.c reservation_ring.c  how often a program failed on a port; ports of bind() to port 0, closed again
 *     process_table.c       processes
 *     netns_table.c         network namespaces: totals in, changes per interval out
 *     flow_table.c search_table.c pool_table.c  the same per flow and port search; ports in use per destination
 *     wire_check.c wire_event.c wire_filter.c  validates, takes apart and filters events
 *   diagnose/               why a call was refused, what would help, when ports run out: rules, without I/O
 *     diagnose.c cause.c    explains a refused call; decides the kernel rule behind it
 *     claim.c overlap.c share.c bucket.c sock_kind.c  what a call requests; which sockets overlap; which may share
 *     verdict.c connect.c   what bind(), listen() or connect() would return; which socket answers a connection
 *     interpreter.c         programs that run others
 *     sentence.c            the parts of sentences
 *     sentence_call.c sentence_connection.c sentence_holder.c sentence_range.c sentence_connect.c  the sentences, by
 *                           kind of cause
 *     remedy_find.c remedy.c remedy_range.c remedy_call.c remedy_connect.c  what makes the call succeed: tries the
 *                           remedies; the rows
 *     note.c                what the programs did to get there, beside the kernel's rule
 *     situation.c stop.c command.c  a copy to try them in; how to stop a holder; shell commands with quotes
 *     stop_command.c        the command that stops it
 *     supervisor.c          what would start a holder again, and is stopped instead
 *     pool.c forecast.c warning.c  ephemeral ports left; when they run out; the warnings about it
 *     second_server.c group.c  two programs that serve one port; SO_REUSEPORT groups
 *   render/                 what the user sees
 *     render.c              the list of formats
 *     fields.c names.c      the fields of a record and the columns as data; names of events, states and options
 *     text.c text_row.c text_cells.c text_line.c text_out.c text_words.c  the stream as text: rows, cells, lines, wording
 *     text_now.c            who has the watched ports when the stream begins
 *     text_ports.c text_churn.c text_conflict.c text_ephemeral.c text_audit.c text_why.c text_connect.c  each other kind
 *                           of text output
 *     json.c json_out.c json_line.c json_churn.c json_conflict.c json_why.c json_connect.c  the same as JSON
 *     fold.c text_fold.c    repeated lines as one line with a count
 *     format_number.c search.c status_lines.c  numbers; port-search times; messages on stderr
 *   stream/                 the pipeline that live and replay share: event, model, explanation, report
 *     live_stream.c batch.c config.c  drains the ring in batches; the options of the stream
 *     session.c             runs an event through the pipeline
 *     explain.c holder_details.c  finds the holders of a refused port; completes each of them
 *     netns_entry.c         what a command begins with to act in another network namespace
 *     lookup.c fd_lookup.c  reads processes, devices, counters from the source; finds the descriptors of sockets
 *     audit.c               the servers inside the ephemeral range of a network namespace
 *     group_scan.c          finds SO_REUSEPORT groups and watches their queues for a moment
 *     second_server.c       another program that serves the port of a new server
 *     watching.c current_holders.c  what the filters select, in words; who has these ports when the stream begins
 *     server_lookup.c       the sockets to which a failed connection might have gone
 *     budget.c fd_cache.c scan_history.c prefetch.c port_usage_cache.c  the share of time for that, and its caches
 *   why/                    the question of `porttrace why`
 *     question.c scan.c report.c  makes the claim and applies the rules; finds the sockets; prints the answer
 *     caller.c bind_environment.c  which process would bind; the settings that would apply
 *     holders.c             the sockets on the port
 *     connect.c             the question of `porttrace why --connect`
 *   cmd/                    one file per command, and the options
 *     trace.c ls.c why.c ephemeral.c record.c replay.c doctor.c  the commands
 *     option_table.c option_values.c target.c  parses options; reads their values; ports with address and protocol
 *     options.c why_options.c  options that commands share; those of `porttrace why`
 *     filter_check.c output.c  filters that match nothing; errors of standard output
 *     privilege.c           what to type where privileges are missing
 *     socket_scan.c         one scan of all sockets, for ls and ephemeral --audit
 *   util/                   small and general
 *     address.c time_format.c errno_name.c escape.c  addresses, times and errnos as text; unsafe bytes escaped
 *     clock.c nearest.c     the clock of events; suggestions for misspelled words
 *     shell_loop.c          whether a shell script runs a program in a loop
 *     display_width.c exec_name.c  columns of a text on a terminal; whether execve() set the name of a process
 *   loop.c                  the main loop: descriptors, timers, signals
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/option_table.h"
#include "cmd/output.h"
#include "cmd/target.h"
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

/* cmd_trace() says what is wrong with one. */
static bool is_port(const char *text)
{
	char error[TARGET_ERROR_SIZE];
	struct target target;

	return isdigit((unsigned char)*text) || strpbrk(text, ":,/[") || target_parse(text, &target, error);
}

int main(int argc, char **argv)
{
	const struct command *command;
	char name[64];

	output_check_at_exit();
	command = argc < 2 ? NULL : command_find(argv[1]);
	/* Without a command, porttrace shows the live stream. */
	if (!command && (argc < 2 || *argv[1] == '-' || is_port(argv[1])))
		return cmd_trace(argc, argv);
	if (!command)
		unknown_command(argv[1]);
	/* The program's name in --help and in messages. */
	snprintf(name, sizeof(name), "porttrace %s", command->name);
	argv[1] = name;
	return command->run(argc - 1, argv + 1);
}
