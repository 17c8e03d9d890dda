/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/live_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stream/batch.h"
#include "stream/session.h"
#include "util/clock.h"

/* Under load the ring is read at this interval, not at each event: a wakeup costs more than an event. */
#define BATCH_NS      5000000ULL
/* The longest time that a batch waits for the budget of lookups. */
#define BATCH_WAIT_NS 500000000ULL

struct live_stream {
	struct session session;
	const struct stream_config *config;
	struct loop *loop;
	struct batch *batch;
	uint64_t batch_boot_ns; /* when the first event of the batch arrived */
	bool is_draining;
	int ring_id, batch_id; /* in the loop */
	int output_err, capture_err;
	struct capture_header header;
	uint64_t lost_reported[WIRE_LOST_NOT_RUN + 1];
};

static void on_end(void *context)
{
	struct live_stream *stream = context;

	loop_stop(stream->loop);
}

struct live_stream *live_stream_new(const struct stream_config *config, const struct renderer *renderer,
				    const struct render_options *render, struct loop *loop)
{
	struct live_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->config = config;
	stream->loop = loop;
	stream->batch = batch_new();
	if (session_init(&stream->session, config, renderer, render) || !stream->batch) {
		live_stream_free(stream);
		return NULL;
	}
	stream->session.on_end = on_end;
	stream->session.end_context = stream;
	return stream;
}

void live_stream_free(struct live_stream *stream)
{
	struct source *source;

	if (!stream)
		return;
	capture_finish(stream->session.lookup.capture);
	source = stream->session.lookup.source;
	if (source)
		source->ops->close(source);
	session_done(&stream->session);
	batch_free(stream->batch);
	free(stream);
}

void live_stream_set_source(struct live_stream *stream, struct source *source)
{
	stream->session.lookup.source = source;
}

/* The header is written at once, so that the capture of a run that ends early can be replayed. */
void live_stream_set_capture(struct live_stream *stream, struct capture_writer *writer,
			     const struct start_report *report)
{
	struct capture_header *header = &stream->header;
	struct timespec now;

	stream->session.lookup.capture = writer;
	clock_gettime(CLOCK_REALTIME, &now);
	header->boot_to_wall_ns = now.tv_sec * 1000000000LL + now.tv_nsec - (int64_t)clock_boot_ns();
	snprintf(header->kernel, sizeof(header->kernel), "%s", report->kernel);
	snprintf(header->probes, sizeof(header->probes), "%s", report->probes);
	capture_set_header(writer, header);
}

/* Collects the events of the ring in the batch; passes other events on at once. */
void live_stream_event(void *context, const void *data, size_t size)
{
	const struct wire_hdr *event = data;
	struct live_stream *stream = context;

	if (!stream->is_draining || size < sizeof(*event) || event->size != size ||
	    !batch_add(stream->batch, event))
		session_event(&stream->session, data, size);
}

/*
 * Finds the descriptors of all holders in the batch, then processes its events. Without budget the batch
 * waits for a while, if it may, and more refusals join it.
 */
static void run_batch(struct live_stream *stream, bool may_wait)
{
	struct explainer *explainer = stream->session.explainer;
	const struct batch *batch = stream->batch;
	const struct wire_hdr *event = NULL;

	while ((event = batch_next(batch, event))) {
		if (event->kind == WIRE_SOCKET && event->size >= sizeof(struct wire_socket))
			explainer_prefetch(explainer, (const struct wire_socket *)event);
	}
	may_wait = may_wait && clock_boot_ns() - stream->batch_boot_ns < BATCH_WAIT_NS;
	if (!explainer_run_prefetch(explainer, may_wait))
		return;
	while ((event = batch_next(batch, event)))
		session_event(&stream->session, event, event->size);
	batch_clear(stream->batch);
}

/* Returns whether events arrived. A full batch cannot wait. */
static bool drain(struct live_stream *stream, bool may_wait)
{
	struct source *source = stream->session.lookup.source;
	bool is_full, has_events = false;

	do {
		size_t room = batch_room(stream->batch);
		int count;

		if (batch_is_empty(stream->batch))
			stream->batch_boot_ns = clock_boot_ns();
		stream->is_draining = true;
		count = source->ops->drain(source, room);
		stream->is_draining = false;
		has_events |= count > 0;
		is_full = count >= 0 && (size_t)count >= room;
		run_batch(stream, may_wait && !is_full);
	} while (is_full);
	return has_events;
}

static uint64_t lost_of(struct live_stream *stream, uint32_t reason)
{
	const struct lookup *lookup = &stream->session.lookup;

	if (reason == WIRE_LOST_INVALID)
		return stream->session.invalid + lookup->invalid;
	if (reason == WIRE_LOST_TABLE)
		return port_table_evicted(model_ports(lookup->model));
	return lookup->source->ops->lost(lookup->source, reason);
}

/* Sent as events, so that a capture contains them. */
static void report_losses(struct live_stream *stream)
{
	for (uint32_t reason = WIRE_LOST_RING; reason <= WIRE_LOST_NOT_RUN; reason++) {
		uint64_t lost = lost_of(stream, reason), reported = stream->lost_reported[reason];
		struct wire_lost event = {
			.hdr = {.size = sizeof(event), .kind = WIRE_LOST, .boot_ns = clock_boot_ns()},
			.count = lost - reported,
			.reason = reason,
		};

		if (lost <= reported) /* the count is lower after lost events were recovered */
			continue;
		stream->lost_reported[reason] = lost;
		session_event(&stream->session, &event, sizeof(event));
	}
}

static void flush(struct live_stream *stream)
{
	struct session *session = &stream->session;
	int err = session->renderer->flush(session->render, clock_boot_ns());

	if (err && !stream->output_err)
		stream->output_err = err;
	if (session->lookup.capture && !stream->capture_err)
		stream->capture_err = capture_flush(session->lookup.capture);
	if (stream->output_err || stream->capture_err)
		loop_stop(stream->loop);
}

/* Under load the next read waits for the timer; otherwise the loop waits for the ring. */
static void on_ring(void *context)
{
	struct live_stream *stream = context;
	bool has_events = drain(stream, true);

	flush(stream);
	if (has_events || !batch_is_empty(stream->batch)) {
		loop_pause(stream->loop, stream->ring_id);
		loop_set_timer(stream->loop, stream->batch_id, BATCH_NS);
	} else {
		loop_resume(stream->loop, stream->ring_id);
	}
}

static void end_interval(struct live_stream *stream, bool last)
{
	struct source *source = stream->session.lookup.source;

	source->ops->report_interval(source, last);
	report_losses(stream);
}

static void on_interval(void *context)
{
	struct live_stream *stream = context;

	model_advance(stream->session.lookup.model, clock_boot_ns());
	explainer_expire(stream->session.explainer, clock_boot_ns());
	end_interval(stream, false);
	session_interval(&stream->session, clock_boot_ns());
	flush(stream);
}

int live_stream_snapshot(struct live_stream *stream)
{
	const struct socket_query everything = {0};
	struct source *source = stream->session.lookup.source;

	return source->ops->scan(source, &everything, session_event, &stream->session);
}

int live_stream_watch(struct live_stream *stream)
{
	struct source *source = stream->session.lookup.source;
	int err;

	source->ops->report_interval(source, false);
	stream->ring_id = loop_add_fd(stream->loop, source->ops->fd(source), on_ring, stream);
	if (stream->ring_id < 0)
		return stream->ring_id;
	stream->batch_id = loop_add_timer(stream->loop, 0, on_ring, stream);
	if (stream->batch_id < 0)
		return stream->batch_id;
	err = loop_add_timer(stream->loop, (uint64_t)(stream->config->interval_s * 1e9), on_interval, stream);
	if (err >= 0 && stream->config->duration_s > 0)
		err = loop_add_timer(stream->loop, (uint64_t)(stream->config->duration_s * 1e9), on_end, stream);
	return err < 0 ? err : 0;
}

static void begin_capture(struct live_stream *stream, const struct start_report *report)
{
	struct capture_header *header = &stream->header;

	if (!stream->session.lookup.capture)
		return;
	header->start_boot_ns = report->boot_ns;
	header->flags = stream->session.is_partial ? CAPTURE_FILTERED : 0;
	header->netns_count = (uint32_t)report->netns_count;
	capture_set_header(stream->session.lookup.capture, header);
}

void live_stream_start(struct live_stream *stream, struct start_report *report)
{
	struct session *session = &stream->session;

	report->sockets = port_table_count(model_ports(session->lookup.model));
	begin_capture(stream, report);
	session_start(session, report);
	flush(stream);
}

static void end_capture(struct live_stream *stream, const struct stop_report *report)
{
	struct capture_writer *writer = stream->session.lookup.capture;
	int err;

	if (!writer)
		return;
	stream->header.stop_boot_ns = report->boot_ns;
	stream->header.lost_count = report->lost;
	capture_set_header(writer, &stream->header);
	err = capture_finish(writer);
	stream->session.lookup.capture = NULL;
	if (!stream->capture_err)
		stream->capture_err = err;
}

void live_stream_stop(struct live_stream *stream, struct stop_report *report)
{
	struct session *session = &stream->session;

	drain(stream, false);
	end_interval(stream, true);
	*report = (struct stop_report){
		.boot_ns = clock_boot_ns(),
		.events = session->events,
		.lost = session->lost,
		.unpredicted = session->unpredicted,
	};
	end_capture(stream, report);
	session->renderer->stop(session->render, report);
	flush(stream);
}

int live_stream_output_error(const struct live_stream *stream)
{
	return stream->output_err;
}

int live_stream_capture_error(const struct live_stream *stream)
{
	return stream->capture_err;
}

uint64_t live_stream_not_run(const struct live_stream *stream)
{
	return stream->session.not_run;
}
