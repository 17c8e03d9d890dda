/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace [PORT...]: the live stream. Joins the running kernel, the model, the rules and a renderer, or
 * (porttrace record) a file. */
#include "cmd/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "stream/session.h"
#include "loop.h"
#include "probe/features.h"
#include "source/live.h"
#include "util/clock.h"

/* Under load the ring is read at this pace, not at every event: a wakeup costs more than an event. */
#define BATCH_NS      5000000ULL
#define BATCH_WAIT_NS 500000000ULL

struct batch {
	bool is_open;
	size_t size;
	uint64_t begin_ns; /* when the first of them came */
	_Alignas(8) char data[256 * 1024];
};

struct trace {
	struct batch batch;
	struct session session;
	struct loop *loop;
	int ring_id, batch_id;
	int output_err, capture_err;
	const char *path; /* of the capture; NULL: the stream is shown */
	struct capture_header header;
	uint64_t lost_told[WIRE_LOST_NOT_RUN + 1];
};

/*
 * What the ring had: kept until it is empty, so that the refusals among it can be looked into together. Under
 * a load where even that takes too long they wait for each other, for a moment.
 */
static void batch_run(struct trace *trace, bool may_wait)
{
	struct batch *batch = &trace->batch;
	const struct wire_hdr *event;
	size_t size = batch->size;

	for (size_t at = 0; at < size; at += (event->size + 7U) & ~7U) {
		event = (const struct wire_hdr *)(batch->data + at);
		if (event->kind == WIRE_SOCKET && event->size >= sizeof(struct wire_socket))
			prefetch_add(trace->session.explainer, (const struct wire_socket *)event);
	}
	may_wait = may_wait && clock_boot_ns() - batch->begin_ns < BATCH_WAIT_NS;
	if (!prefetch_run(trace->session.explainer, may_wait))
		return;
	for (size_t at = 0; at < size; at += (event->size + 7U) & ~7U) {
		event = (const struct wire_hdr *)(batch->data + at);
		session_event(&trace->session, event, event->size);
	}
	batch->size = 0;
}

/* What comes as the answer to a question goes on at once. */
static void on_event(void *context, const void *data, size_t size)
{
	const struct wire_hdr *event = data;
	struct trace *trace = context;
	struct batch *batch = &trace->batch;

	if (!batch->is_open || size < sizeof(*event) || event->size != size) {
		session_event(&trace->session, data, size);
		return;
	}
	if (batch->size + size + 7 > sizeof(batch->data)) {
		batch->is_open = false;
		batch_run(trace, false);
		batch->is_open = true;
	}
	if (!batch->size)
		batch->begin_ns = clock_boot_ns();
	memcpy(batch->data + batch->size, data, size);
	batch->size += (size + 7U) & ~7U;
}

static int drain(struct trace *trace, bool may_wait)
{
	int count;

	trace->batch.is_open = true;
	count = trace->session.source->ops->drain(trace->session.source);
	trace->batch.is_open = false;
	batch_run(trace, may_wait);
	return count;
}

static uint64_t lost_of(struct trace *trace, uint32_t reason)
{
	if (reason == WIRE_LOST_INVALID)
		return trace->session.invalid;
	if (reason == WIRE_LOST_TABLE)
		return port_table_evicted(model_ports(trace->session.model));
	return trace->session.source->ops->lost(trace->session.source, reason);
}

/* As an event like any other, so that a capture has them too. */
static void tell_losses(struct trace *trace)
{
	for (uint32_t reason = WIRE_LOST_RING; reason <= WIRE_LOST_NOT_RUN; reason++) {
		uint64_t lost = lost_of(trace, reason), told = trace->lost_told[reason];
		struct wire_lost event = {
			.hdr = {.size = sizeof(event), .kind = WIRE_LOST, .boot_ns = clock_boot_ns()},
			.count = lost - told,
			.reason = reason,
		};

		if (lost <= told) /* less: what was lost has been made up for since */
			continue;
		trace->lost_told[reason] = lost;
		session_event(&trace->session, &event, sizeof(event));
	}
}

static void flush(struct trace *trace)
{
	int err = trace->session.renderer->flush(trace->session.render, clock_boot_ns());

	if (err && !trace->output_err)
		trace->output_err = err;
	if (trace->session.capture && !trace->capture_err)
		trace->capture_err = capture_flush(trace->session.capture);
	if (trace->output_err || trace->capture_err)
		loop_stop(trace->loop);
}

/* Busy: leave the ring alone until the next beat. Quiet: wait for the ring. */
static void on_ring(void *context)
{
	struct trace *trace = context;
	int count = drain(trace, true);

	flush(trace);
	if (count > 0 || trace->batch.size) {
		loop_pause(trace->loop, trace->ring_id);
		loop_set_timer(trace->loop, trace->batch_id, BATCH_NS);
	} else {
		loop_resume(trace->loop, trace->ring_id);
	}
}

static void end_interval(struct trace *trace, bool last)
{
	trace->session.source->ops->read_counters(trace->session.source, 0, last);
	tell_losses(trace);
}

static void on_interval(void *context)
{
	struct trace *trace = context;

	model_advance(trace->session.model, clock_boot_ns());
	explainer_idle(trace->session.explainer, clock_boot_ns());
	end_interval(trace, false);
	session_interval(&trace->session, clock_boot_ns());
	flush(trace);
}

static void on_end(void *context)
{
	struct trace *trace = context;

	loop_stop(trace->loop);
}

static uint32_t facts_wanted(const struct options *options)
{
	uint32_t facts = (1U << FACT_COUNT) - 1;

	if (!(options->settings.kinds & 1U << WIRE_ACCEPT))
		facts &= ~(1U << FACT_ACCEPT);
	return facts;
}

/* What could not be had: in the start record, and in words on stderr. */
static void facts_missing(const struct trace *trace, const char **missing)
{
	const struct kernel_fact *facts = live_facts(trace->session.source);
	size_t count = 0;
	char absent[80];

	if (features_missing_privileges(absent, sizeof(absent)))
		fprintf(stderr, "porttrace: without %s sockets and counters of other network namespaces may be "
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

/* What replay needs to tell the same start; written now, so that a run that is killed can be replayed. */
static void begin_capture(struct trace *trace, const struct start_report *report)
{
	struct capture_header *header = &trace->header;
	struct timespec now;

	if (!trace->session.capture)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	header->boot_to_wall_ns = now.tv_sec * 1000000000LL + now.tv_nsec - (int64_t)clock_boot_ns();
	header->start_boot_ns = report->boot_ns;
	header->flags = trace->session.is_partial ? CAPTURE_FILTERED : 0;
	header->netns_count = (uint32_t)report->netns_count;
	snprintf(header->kernel, sizeof(header->kernel), "%s", report->kernel);
	snprintf(header->probes, sizeof(header->probes), "%s", report->probes);
	capture_set_header(trace->session.capture, header);
}

static void tell_start(struct trace *trace)
{
	const char *missing[FACT_COUNT + 1];
	struct utsname kernel;
	struct start_report report = {
		.boot_ns = clock_boot_ns(),
		.version = PORTTRACE_VERSION,
		.kernel = kernel.release,
		.probes = live_probes(trace->session.source),
		.missing = missing,
		.sockets = port_table_count(model_ports(trace->session.model)),
		.netns_count = live_netns_count(trace->session.source),
		.hint = "Ctrl-C to end",
	};

	uname(&kernel);
	facts_missing(trace, missing);
	begin_capture(trace, &report);
	trace->session.renderer->start(trace->session.render, &report);
	trace->session.streaming = true;
	flush(trace);
}

/* A reader that waits its turn behind what it traces is how events get lost; it needs little. */
static void run_before_others(void)
{
	if (setpriority(PRIO_PROCESS, 0, -10))
		errno = 0; /* without the right, as anybody else */
}

static int capture_failed(const struct trace *trace)
{
	fprintf(stderr, "porttrace: writing %s: %s\n", trace->path, strerror(-trace->capture_err));
	return EXIT_FAILED;
}

static int start(struct trace *trace)
{
	struct kernel_options kernel = {
		.settings = &trace->session.options->settings,
		.facts = facts_wanted(trace->session.options),
		.backend = trace->session.options->backend,
		.verbose = trace->session.options->verbose,
	};
	const struct socket_query everything = {0};
	char reason[256] = "";
	int err;

	if (kernel.backend >= 0 && !features_backend(kernel.backend, reason, sizeof(reason))) {
		fprintf(stderr, "porttrace: --probes=%s: %s (see 'porttrace doctor')\n",
			backend_name((enum backend)kernel.backend), reason);
		return EXIT_NOT_ALLOWED;
	}
	trace->session.source = live_open(&kernel, on_event, trace, reason, sizeof(reason));
	if (!trace->session.source) {
		err = errno;
		fprintf(stderr, "porttrace: %s\n", reason);
		return err == EPERM || err == EACCES || err == ENOTSUP ? EXIT_NOT_ALLOWED : EXIT_FAILED;
	}
	run_before_others();
	if (trace->path && !(trace->session.capture = capture_create(trace->path))) {
		trace->capture_err = -errno;
		return capture_failed(trace);
	}
	explainer_set_source(trace->session.explainer, trace->session.source, session_event,
			      &trace->session);
	err = trace->session.source->ops->scan(trace->session.source, &everything);
	if (err)
		fprintf(stderr, "porttrace: the sockets that exist could not all be read: %s\n", strerror(-err));
	trace->session.source->ops->read_counters(trace->session.source, 0, false);
	trace->ring_id = loop_add_fd(trace->loop, trace->session.source->ops->fd(trace->session.source), on_ring, trace);
	trace->batch_id = loop_add_timer(trace->loop, 0, on_ring, trace);
	err = loop_add_timer(trace->loop, (uint64_t)(trace->session.options->interval_s * 1e9), on_interval, trace);
	if (err >= 0 && trace->session.options->duration_s > 0)
		err = loop_add_timer(trace->loop, (uint64_t)(trace->session.options->duration_s * 1e9), on_end,
				     trace);
	if (trace->ring_id < 0 || trace->batch_id < 0 || err < 0)
		return EXIT_FAILED;
	tell_start(trace);
	return EXIT_DONE;
}

static void end_capture(struct trace *trace, const struct stop_report *report)
{
	int err;

	if (!trace->session.capture)
		return;
	trace->header.stop_boot_ns = report->boot_ns;
	trace->header.lost_count = report->lost;
	capture_set_header(trace->session.capture, &trace->header);
	err = capture_finish(trace->session.capture);
	trace->session.capture = NULL;
	if (!trace->capture_err)
		trace->capture_err = err;
}

static int finish(struct trace *trace)
{
	struct stop_report report;

	drain(trace, false);
	end_interval(trace, true);
	report = (struct stop_report){
		.boot_ns = clock_boot_ns(),
		.events = trace->session.events,
		.lost = trace->session.lost,
		.unpredicted = trace->session.unpredicted,
	};
	end_capture(trace, &report);
	trace->session.renderer->stop(trace->session.render, &report);
	flush(trace);
	if (trace->capture_err)
		return capture_failed(trace);
	if (trace->output_err)
		return output_failed(trace->output_err);
	if (!report.lost)
		return EXIT_DONE;
	fprintf(stderr, "porttrace: %llu events were lost: %s\n", (unsigned long long)report.lost,
		trace->session.not_run < report.lost ?
			"they came faster than they could be read; narrow the filters" :
			"the kernel did not run their probes (see CAVEATS in porttrace(1))");
	return EXIT_LOST;
}

int trace_run(const struct options *options, const struct renderer *renderer, const char *path)
{
	struct render_options render;
	struct trace trace = {.path = path};
	int status = EXIT_FAILED;

	options_for_render(options, &render);
	trace.loop = loop_new();
	if (session_init(&trace.session, options, renderer, &render) || !trace.loop) {
		fprintf(stderr, "porttrace: out of memory\n");
		goto out;
	}
	trace.session.on_end = on_end;
	trace.session.end_context = &trace;
	if (loop_add_signals(trace.loop) < 0)
		goto out;
	if (!path)
		loop_watch_output(trace.loop, STDOUT_FILENO);
	status = start(&trace);
	if (status == EXIT_DONE) {
		loop_run(trace.loop);
		status = finish(&trace);
	}
out:
	capture_finish(trace.session.capture);
	if (trace.session.source)
		trace.session.source->ops->close(trace.session.source);
	loop_free(trace.loop);
	session_done(&trace.session);
	return status;
}

int cmd_trace(int argc, char **argv)
{
	struct options options;

	options_parse(&options, OPTIONS_TRACE, argc, argv, "[PORT...]",
		      "Tell live who takes which port, who is refused one, by whom and why.\v"
		      "Commands: porttrace ls, why, ephemeral, record, replay, doctor. Exit status: 0 done, 1 failed, 2 misused, "
		      "3 not allowed by this kernel or these privileges, 5 events were lost.");
	if (!output_is_open())
		return EXIT_FAILED;
	return trace_run(&options, options.json ? &render_json : &render_text, NULL);
}
