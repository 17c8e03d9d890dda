/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The session of a live source: reads the ring in batches, ends the intervals, reports losses, and writes the
 * capture if there is one. Prints nothing: the command reports errors.
 */
#ifndef PORTTRACE_STREAM_LIVE_STREAM_H
#define PORTTRACE_STREAM_LIVE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "render/render.h"
#include "source/capture.h"
#include "source/source.h"
#include "stream/config.h"

struct live_stream;

/* `config` and `loop` are borrowed. NULL: no memory. */
struct live_stream *live_stream_new(const struct stream_config *config, const struct renderer *renderer,
				    const struct render_options *render, struct loop *loop);
/* Closes the source and the capture too. NULL is allowed. */
void live_stream_free(struct live_stream *stream);

/* A source_event_fn to open the source with; context is the stream. */
void live_stream_event(void *context, const void *data, size_t size);
/* Takes ownership of the source. */
void live_stream_set_source(struct live_stream *stream, struct source *source);
/* Takes ownership of the writer, which gets the header, with the kernel and the probes of the report, and every event
 * from now on. */
void live_stream_set_capture(struct live_stream *stream, struct capture_writer *writer,
			     const struct start_report *report);

/* Reads the sockets that exist, without reporting them. 0, or -errno: not all could be read. */
int live_stream_snapshot(struct live_stream *stream);
/* Begins the first interval and registers the stream in the loop. 0 or -errno. */
int live_stream_watch(struct live_stream *stream);
/* Reports the start, completes the header of the capture, and reports every event from now on. Fills in
 * report->sockets. */
void live_stream_start(struct live_stream *stream, struct start_report *report);
/* After the loop has ended: reads what is left, ends the last interval and the capture, and reports the stop. */
void live_stream_stop(struct live_stream *stream, struct stop_report *report);

/* -errno of the first write that failed, which ended the loop; 0: none. */
int live_stream_output_error(const struct live_stream *stream);
int live_stream_capture_error(const struct live_stream *stream);
/* Lost events whose probe was not run. */
uint64_t live_stream_not_run(const struct live_stream *stream);

#endif
