/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace replay FILE: passes a capture through the same session as the live stream. It needs no kernel support and
 * no privileges; the time is that of the events. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "stream/session.h"
#include "stream/watching.h"
#include "source/capture.h"

/* How often the replay advances the time between events, for the end of TIME_WAITs and of folded lines. */
#define TICK_NS 100000000ULL

struct replay_config {
	struct settings settings;
	uint32_t events; /* --event; 0: the default events */
	struct stream_config stream;
	struct output_config output;
	const char *file;
};

struct replay {
	struct session session;
	struct capture_reader *reader;
	uint64_t now_ns;  /* of the latest event */
	uint64_t tick_ns;
	uint64_t end_ns;  /* of --duration; 0: the file's */
	bool is_ended;	  /* by --duration or --count */
	int output_err;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = true;
}

/* Ends the replay with its totals; a second signal ends the process. Without SA_RESTART, because the replay may wait for a
 * pipe. */
static void handle_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction before;

		if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
}

static void tell_start(struct replay *replay)
{
	const struct capture_header *header = capture_header_of(replay->reader);
	struct session *session = &replay->session;
	char watching[WATCHING_SIZE];
	struct start_report report = {
		.boot_ns = header->start_boot_ns ? header->start_boot_ns : replay->now_ns,
		.version = PORTTRACE_VERSION,
		.kernel = header->kernel,
		.probes = header->probes,
		.sockets = port_table_count(model_ports(session->lookup.model)),
		.netns_count = header->netns_count,
		.watching = watching,
	};

	watching_describe(session->config->settings, watching);
	session_start(session, &report);
	replay->output_err = session->renderer->flush(session->render, report.boot_ns);
}

/*
 * SOCKET events from before the start are the snapshot, in a pipe all until the header names the start. Other events as
 * old were in the ring during the snapshot, and the live stream showed them when it read them.
 */
static bool is_snapshot(const struct replay *replay, const struct wire_hdr *event)
{
	uint64_t start = capture_header_of(replay->reader)->start_boot_ns;

	switch (event->kind) {
	case WIRE_SOCKET:
	case WIRE_PROCESS:
	case WIRE_NETNS:
	case WIRE_TRAFFIC:
	case WIRE_INTERFACE:
		return !start || event->boot_ns < start;
	default:
		return false;
	}
}

static void pass_time(struct replay *replay)
{
	struct session *session = &replay->session;

	if (replay->now_ns < replay->tick_ns + TICK_NS)
		return;
	replay->tick_ns = replay->now_ns;
	model_advance(session->lookup.model, replay->now_ns);
	explainer_expire(session->explainer, replay->now_ns);
	replay->output_err = session->renderer->flush(session->render, replay->now_ns);
}

static void replay_event(struct replay *replay, const struct wire_hdr *event)
{
	if (!replay->session.streaming && !is_snapshot(replay, event))
		tell_start(replay);
	if (event->boot_ns > replay->now_ns) {
		if (replay->end_ns && event->boot_ns > replay->end_ns) {
			replay->is_ended = true;
			replay->now_ns = replay->end_ns;
			return;
		}
		replay->now_ns = event->boot_ns;
		pass_time(replay);
	}
	session_event(&replay->session, event, event->size);
}

/* The header arrived once more, in a pipe: at the start, then at the end. */
static void replay_header(struct replay *replay)
{
	if (!replay->session.streaming && capture_header_of(replay->reader)->start_boot_ns)
		tell_start(replay);
}

/* Shows what has arrived, before the wait for more. */
static void flush_before_wait(struct replay *replay)
{
	struct session *session = &replay->session;

	if (!replay->output_err && capture_would_wait(replay->reader))
		replay->output_err = session->renderer->flush(session->render, replay->now_ns);
}

/* 0 at the end, or capture_next()'s error. */
static int replay_all(struct replay *replay)
{
	const void *event;
	size_t size;
	int err = 0;

	while (!replay->is_ended && !replay->output_err && (!err || err == -EAGAIN)) {
		flush_before_wait(replay);
		err = interrupted ? -EINTR : capture_next(replay->reader, &event, &size);
		if (!err)
			replay_event(replay, event);
		else if (err == -EAGAIN)
			replay_header(replay);
	}
	if (err == -EINTR)
		replay->is_ended = true;
	return err == -ENODATA || err == -EINTR ? 0 : err;
}

/* The file contains every loss as an event; an unreadable rest of the file counts as one more lost event. */
static void tell_invalid(struct session *session, uint64_t now)
{
	const struct wire_lost event = {
		.hdr = {.size = sizeof(event), .kind = WIRE_LOST, .boot_ns = now},
		.count = session->invalid,
		.reason = WIRE_LOST_INVALID,
	};

	if (session->invalid)
		session_event(session, &event, sizeof(event));
}

static void tell_stop(struct replay *replay)
{
	const struct capture_header *header = capture_header_of(replay->reader);
	struct session *session = &replay->session;
	struct stop_report report;

	if (!session->streaming)
		tell_start(replay);
	if (!replay->is_ended && header->stop_boot_ns > replay->now_ns)
		replay->now_ns = header->stop_boot_ns;
	tell_invalid(session, replay->now_ns);
	report = (struct stop_report){
		.boot_ns = replay->now_ns,
		.events = session->events,
		.lost = session->lost,
		.unpredicted = session->unpredicted,
	};
	session->renderer->stop(session->render, &report);
	replay->output_err = session->renderer->flush(session->render, replay->now_ns);
}

static int finish(struct replay *replay, const char *path, int err)
{
	const struct session *session = &replay->session;

	if (!replay->output_err)
		tell_stop(replay);
	if (replay->output_err)
		return output_failed(replay->output_err);
	if (session->unknown)
		fprintf(stderr, "porttrace: %s: skipped what only a newer porttrace understands: %llu event%s\n",
			path, (unsigned long long)session->unknown, session->unknown == 1 ? "" : "s");
	if (err || (!replay->is_ended && !capture_header_of(replay->reader)->stop_boot_ns)) {
		fprintf(stderr, "porttrace: %s: cut short: this is what it holds of a recording that went on\n",
			path);
		return EXIT_FAILED;
	}
	if (!session->lost)
		return EXIT_DONE;
	fprintf(stderr, "porttrace: %s: incomplete: %llu event%s lost while it was recorded, or not readable\n",
		path, (unsigned long long)session->lost, session->lost == 1 ? "" : "s");
	return EXIT_LOST;
}

static void on_end(void *context)
{
	struct replay *replay = context;

	replay->is_ended = true;
}

static int run(struct replay *replay, const struct replay_config *config)
{
	const struct capture_header *header = capture_header_of(replay->reader);
	struct render_options render;

	options_for_render(&config->output, &render);
	render.boot_to_wall_ns = header->boot_to_wall_ns;
	render.start_boot_ns = header->start_boot_ns;
	render.own_netns = 0; /* that of the recording is not in the file */
	render.netns_name = NULL; /* nor are names */
	render.container_name = NULL;
	if (session_init(&replay->session, &config->stream, render_find(config->output.json ? "json" : "text"),
			 &render)) {
		fprintf(stderr, "porttrace: out of memory\n");
		return EXIT_FAILED;
	}
	replay->session.is_replay = true;
	replay->session.is_partial = header->flags & CAPTURE_FILTERED;
	replay->session.on_end = on_end;
	replay->session.end_context = replay;
	if (config->stream.duration_s > 0)
		replay->end_ns = header->start_boot_ns + (uint64_t)(config->stream.duration_s * 1e9);
	return finish(replay, config->file, replay_all(replay));
}

static const char *open_error(int err)
{
	switch (err) {
	case EINVAL:
		return "this is no capture of porttrace";
	case EPROTO:
		return "another version of porttrace, or another kind of machine, made this capture";
	}
	return strerror(err);
}

static const struct option_row rows[] = {
	OPTION_PORT_ROWS(struct replay_config),
	OPTION_PROCESS_ROWS(struct replay_config, 'p'),
	OPTION_USER_ROW(struct replay_config, 'u'),
	OPTION_EVENT_ROWS(struct replay_config),
	OPTION_TITLE("The run:"),
	OPTION_END_ROWS(struct replay_config, "events"),
	OPTION_TITLE("Output:"),
	OPTION_OUTPUT_ROWS(struct replay_config),
	{0},
};

static void read_argument(const struct option_context *context, const char *text, unsigned int index, void *field)
{
	struct replay_config *config = field;

	if (index == 0)
		config->file = text;
	else
		option_ports(context, text, &config->settings);
}

static void check(const struct option_context *context, unsigned int count, void *field)
{
	(void)field;
	if (!count)
		option_misuse(context, "name the file to read, as in 'porttrace replay FILE'");
}

static const struct option_table table = {
	.examples = {
		{"porttrace replay run.ptr", "what was recorded, as it was seen live"},
		{"porttrace replay run.ptr -x", "only failures, each with its explanation"},
		{"porttrace replay run.ptr --json", "one JSON object per event, for jq or a file"},
	},
	.rows = rows,
	.arguments = "FILE [PORT...]",
	.doc = "Show what 'porttrace record' wrote to FILE ('-': standard input), as if it happened now.",
	.argument = read_argument,
	.check = check,
};

int cmd_replay(int argc, char **argv)
{
	struct replay_config config = {.stream.interval_s = 1};
	struct replay replay = {0};
	int status;

	option_table_parse(&table, argc, argv, &config);
	options_set_events(&config.stream, &config.settings, config.events);
	if (!output_is_open())
		return EXIT_FAILED;
	replay.reader = capture_open(config.file);
	if (!replay.reader) {
		fprintf(stderr, "porttrace: %s: %s\n", config.file, open_error(errno));
		return EXIT_FAILED;
	}
	handle_signals();
	status = run(&replay, &config);
	session_done(&replay.session);
	capture_close(replay.reader);
	return status;
}
