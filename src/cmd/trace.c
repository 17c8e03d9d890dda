/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace [PORT...]: the live stream. Opens the source and the capture, and reports what went wrong. */
#include "cmd/trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/filter_check.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/privilege.h"
#include "loop.h"
#include "probe/features.h"
#include "source/live.h"
#include "source/machine.h"
#include "stream/live_stream.h"
#include "stream/watching.h"
#include "util/clock.h"

struct trace {
	const struct trace_config *config;
	struct loop *loop;
	struct live_stream *stream;
	struct source *source; /* of the stream */
	const char *path;      /* of the capture; NULL: the stream is shown */
};

static uint32_t facts_wanted(const struct settings *settings)
{
	uint32_t facts = (1U << FACT_COUNT) - 1;

	if (!(settings->kinds & 1U << WIRE_ACCEPT))
		facts &= ~(1U << FACT_ACCEPT);
	return facts;
}

/* Reports the facts that are not traced, in the start record and as messages on stderr. */
static void facts_missing(const struct trace *trace, const char **missing)
{
	const struct kernel_fact *facts = live_facts(trace->source);
	size_t count = 0;
	char absent[FEATURES_PRIVILEGES_SIZE];

	if (features_missing_privileges(absent, sizeof(absent)))
		fprintf(stderr, "porttrace: without %s facts about other processes and network namespaces may be "
				"missing; see 'porttrace doctor'\n",
			absent);
	for (int i = 0; i < FACT_COUNT; i++) {
		if (facts[i].works && facts[i].fell_back)
			fprintf(stderr, "porttrace: %s by %s; traced by %s instead (see 'porttrace doctor')\n",
				hooks[i].name, facts[i].reason, backend_name(facts[i].backend));
		if (!probe_unavailable(facts, (enum fact)i))
			continue;
		missing[count++] = hooks[i].name;
		fprintf(stderr, "porttrace: %s is not traced (%s): %s; see 'porttrace doctor'\n", hooks[i].name,
			hooks[i].loses, facts[i].reason);
	}
	missing[count] = NULL;
}

static void start_stream(struct trace *trace, struct start_report *report)
{
	const char *missing[FACT_COUNT + 1];
	char watching[WATCHING_SIZE];

	watching_describe(&trace->config->settings, watching);
	facts_missing(trace, missing);
	report->boot_ns = clock_boot_ns();
	report->missing = missing;
	report->netns_count = machine_netns_count(trace->source);
	report->watching = watching;
	live_stream_start(trace->stream, report);
}

/* Raise the priority: a reader that waits for a CPU behind the traced programs loses events. It needs little time. */
static void run_before_others(void)
{
	if (setpriority(PRIO_PROCESS, 0, -10))
		errno = 0; /* not permitted: run at the usual priority */
}

static int capture_failed(const struct trace *trace, int err)
{
	if (err == -EPIPE)
		return EXIT_DONE;
	fprintf(stderr, "porttrace: writing %s: %s\n", trace->path,
		err == -ENXIO ? "no process reads this FIFO; start its reader first" : strerror(-err));
	return EXIT_FAILED;
}

static int begin_capture(struct trace *trace, const struct start_report *report)
{
	struct capture_writer *capture = capture_create(trace->path);

	if (!capture)
		return capture_failed(trace, -errno);
	loop_watch_output(trace->loop, capture_fd(capture));
	live_stream_set_capture(trace->stream, capture, report);
	return EXIT_DONE;
}

static int open_source(struct trace *trace)
{
	struct kernel_options kernel = {
		.settings = &trace->config->settings,
		.facts = facts_wanted(&trace->config->settings),
		.pools_at_start = trace->config->stream.shows_pools,
		.backend = trace->config->backend,
		.verbose = trace->config->output.verbose,
	};
	char reason[256] = "";
	int err;

	if (kernel.backend >= 0 && features_may_load() && !features_backend(kernel.backend, reason, sizeof(reason))) {
		fprintf(stderr, "porttrace: --probes=%s: %s (see 'porttrace doctor')\n",
			backend_name((enum backend)kernel.backend), reason);
		return EXIT_NOT_ALLOWED;
	}
	trace->source = live_open(&kernel, live_stream_event, trace->stream, reason, sizeof(reason));
	if (!trace->source) {
		err = errno;
		if (err == EPERM || err == EACCES)
			privilege_print_refused(trace->config->output.argv, reason);
		else
			fprintf(stderr, "porttrace: %s\n", reason);
		return err == EPERM || err == EACCES || err == ENOTSUP ? EXIT_NOT_ALLOWED : EXIT_FAILED;
	}
	live_stream_set_source(trace->stream, trace->source);
	return EXIT_DONE;
}

static int start(struct trace *trace)
{
	struct start_report report = {.version = PORTTRACE_VERSION, .hint = "Ctrl-C to end"};
	int err, status = open_source(trace);
	struct utsname kernel;

	if (status != EXIT_DONE)
		return status;
	run_before_others();
	uname(&kernel);
	report.kernel = kernel.release;
	report.probes = live_probes(trace->source);
	if (trace->path)
		status = begin_capture(trace, &report);
	if (status != EXIT_DONE)
		return status;
	err = live_stream_snapshot(trace->stream);
	if (err)
		fprintf(stderr, "porttrace: the sockets that exist could not all be read: %s\n", strerror(-err));
	filter_check(&trace->config->settings, trace->source);
	err = live_stream_watch(trace->stream);
	if (err) {
		fprintf(stderr, "porttrace: waiting for events: %s\n", strerror(-err));
		return EXIT_FAILED;
	}
	start_stream(trace, &report);
	return EXIT_DONE;
}

static int finish(struct trace *trace)
{
	struct stop_report report;

	live_stream_stop(trace->stream, &report);
	if (live_stream_capture_error(trace->stream))
		return capture_failed(trace, live_stream_capture_error(trace->stream));
	if (live_stream_output_error(trace->stream))
		return output_failed(live_stream_output_error(trace->stream));
	if (!report.lost)
		return EXIT_DONE;
	fprintf(stderr, "porttrace: %llu events were lost: %s\n", (unsigned long long)report.lost,
		live_stream_not_run(trace->stream) < report.lost ?
			"they came faster than they could be read; narrow the filters" :
			"the kernel did not run their probes (see CAVEATS in porttrace(1))");
	return EXIT_LOST;
}

int trace_run(const struct trace_config *config, const struct renderer *renderer, const char *path)
{
	struct render_options render;
	struct trace trace = {.config = config, .path = path};
	int status = EXIT_FAILED, err;

	options_for_render(&config->output, &render);
	/* With -N every row is of that namespace: its name says nothing. */
	if (config->settings.netns.count == 1)
		render.own_netns = config->settings.netns.values[0];
	trace.loop = loop_new();
	err = trace.loop ? loop_add_signals(trace.loop) : -errno;
	if (err < 0) {
		fprintf(stderr, "porttrace: waiting for signals: %s\n", strerror(-err));
		goto out;
	}
	trace.stream = live_stream_new(&config->stream, renderer, &render, trace.loop);
	if (!trace.stream) {
		fprintf(stderr, "porttrace: out of memory\n");
		goto out;
	}
	if (!path)
		loop_watch_output(trace.loop, STDOUT_FILENO);
	status = start(&trace);
	if (status == EXIT_DONE) {
		loop_run(trace.loop);
		status = finish(&trace);
	}
out:
	live_stream_free(trace.stream);
	loop_free(trace.loop);
	return status;
}

static const struct option_row rows[] = {
	TRACE_OPTION_ROWS,
	OPTION_TITLE("Output:"),
	OPTION_OUTPUT_ROWS(struct trace_config),
	{0},
};

static void read_port(const struct option_context *context, const char *text, unsigned int index, void *field)
{
	struct trace_config *config = field;

	(void)index;
	option_ports(context, text, &config->settings);
}

static const struct option_table table = {
	.examples = {
		{"sudo porttrace", "everything that happens to ports, until Ctrl-C"},
		{"sudo porttrace 3000", "who has port 3000, then what happens to it"},
		{"sudo porttrace -x -c nginx", "why nginx does not get its ports"},
	},
	.rows = rows,
	.arguments = "[PORT...]",
	.doc = "Show live which process takes which port, and why the kernel refuses others.\v"
	       "Commands, each with its own --help:\n"
	       "  ls         list every socket that has a port, once\n"
	       "  why        who holds a port, whether bind() would succeed, what would help\n"
	       "  ephemeral  how fast ephemeral ports are taken, and when they run out\n"
	       "  record     record events to a file\n"
	       "  replay     show a recorded file\n"
	       "  doctor     what this kernel and these privileges allow\n\n"
	       "Exit status: 0 done, 1 failed, 2 misuse, 3 not allowed by this kernel or these privileges, 5 events were "
	       "lost.",
	.argument = read_port,
};

int cmd_trace(int argc, char **argv)
{
	struct trace_config config = {TRACE_CONFIG_DEFAULTS};

	option_table_parse(&table, argc, argv, &config);
	config.output.argv = argv;
	options_set_events(&config.stream, &config.settings, config.events);
	if (!output_is_open())
		return EXIT_FAILED;
	return trace_run(&config, render_find(config.output.json ? "json" : "text"), NULL);
}
