/* SPDX-License-Identifier: GPL-2.0-only */
/* The filters of the command line over events that the kernel did not filter: those of a capture. */
#ifndef PORTTRACE_MODEL_WIRE_FILTER_H
#define PORTTRACE_MODEL_WIRE_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "porttrace/settings.h"
#include "porttrace/wire.h"

/*
 * Whether the kernel side would have sent this event (bpf/filter.bpf.c, which this must agree with): its
 * socket and its task. Kinds and failures are the session's to choose. A cgroup is known by its id, so
 * those below it do not match. What is not about a socket passes.
 */
bool wire_filter(const struct settings *settings, const struct wire_hdr *event);

/* Whether the filters let through what went from one address to one peer; local_addr or remote_port zero: it
 * is not known, or there is none. task NULL: of nobody in particular, so all processes' filters pass it. */
bool wire_filter_flow(const struct settings *settings, const uint8_t local_addr[16],
		      const uint8_t remote_addr[16], uint16_t remote_port, uint16_t protocol,
		      const struct wire_task *task);

#endif
