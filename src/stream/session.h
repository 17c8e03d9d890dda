/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processing that all streams share: events go to the model, refusals are explained, reports go to the
 * renderer. `porttrace` and `porttrace record` pass events of the kernel, `porttrace replay` those of a
 * capture.
 */
#ifndef PORTTRACE_STREAM_SESSION_H
#define PORTTRACE_STREAM_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/config.h"
#include "stream/explain.h"
#include "diagnose/warning.h"
#include "render/render.h"
#include "stream/lookup.h"
#include "stream/second_server.h"

struct session {
	const struct stream_config *config;
	const struct renderer *renderer;
	struct render *render;
	struct lookup lookup; /* the model; the source of a live stream; the capture of a recording */
	struct explainer *explainer;
	struct warner *warner;
	struct second_server_finder second_servers;
	void (*on_end)(void *context);	/* the count of --count is reached */
	void *end_context;
	bool is_replay;			/* the capture was not filtered by these options */
	bool is_partial;		/* filters exclude sockets, so the table is incomplete */
	bool streaming;			/* false: events belong to the first snapshot */
	uint64_t events;		/* shown */
	uint64_t unpredicted;		/* refusals that the rules did not predict */
	uint64_t intervals;		/* ended */
	uint64_t lost;			/* events lost before they got here (WIRE_LOST) */
	uint64_t not_run;		/* of these: lost by probes, not by the reader */
	uint64_t invalid, unknown;	/* not a valid event; of a kind that a newer porttrace sent */
};

/* 0 or -ENOMEM. `config` is borrowed. */
int session_init(struct session *session, const struct stream_config *config, const struct renderer *renderer,
		 const struct render_options *render);
void session_done(struct session *session);

/* Reports the start and who has the watched ports now. From here on events are reported. */
void session_start(struct session *session, const struct start_report *report);

/* Ends an interval of --interval, after its events. */
void session_interval(struct session *session, uint64_t boot_ns);

/* A source_event_fn; context is the session. */
void session_event(void *context, const void *data, size_t size);

#endif
