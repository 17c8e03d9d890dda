/* SPDX-License-Identifier: GPL-2.0-only */
/* Reports who has the watched ports when a stream begins. */
#ifndef PORTTRACE_STREAM_CURRENT_HOLDERS_H
#define PORTTRACE_STREAM_CURRENT_HOLDERS_H

#include "render/renderer.h"
#include "stream/config.h"
#include "stream/lookup.h"

/* Without ports to watch it reports nothing. 0 or -ENOMEM. */
int current_holders_report(struct lookup *lookup, const struct stream_config *config, const struct renderer *renderer,
			   struct render *render, uint64_t now_boot_ns);

#endif
