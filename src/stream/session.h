/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every view of a stream shares: events come in, the model takes them, refusals are explained,
 * reports go to the renderer. `porttrace` and `porttrace record` feed it from the kernel, `porttrace
 * replay` from a capture.
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

struct session {
	const struct stream_config *config;
	const struct renderer *renderer;
	struct render *render;
	struct lookup lookup; /* the model; live also the source, and the capture when recording */
	struct explainer *explainer;
	struct warner *warner;
	void (*on_end)(void *context);	/* the count of --count is reached */
	void *end_context;
	bool is_replay;			/* the kernel did not filter by these options */
	bool is_partial;		/* it left out some sockets, so the table lacks them */
	bool streaming;			/* false: what comes is the first snapshot */
	uint64_t events;		/* shown */
	uint64_t unpredicted;		/* refusals that the rules would have let in */
	uint64_t intervals;		/* ended */
	uint64_t lost;			/* on the way here, as WIRE_LOST tells */
	uint64_t not_run;		/* of these: by probes, not by readers */
	uint64_t invalid, unknown;	/* no event; of a kind that a newer porttrace made */
};

/* 0 or -ENOMEM. `config` is borrowed. */
int session_init(struct session *session, const struct stream_config *config, const struct renderer *renderer,
		 const struct render_options *render);
void session_done(struct session *session);

/* An interval of --interval has ended, and its events are in. */
void session_interval(struct session *session, uint64_t boot_ns);

/* A source_event_fn; context is the session. */
void session_event(void *context, const void *data, size_t size);

#endif
