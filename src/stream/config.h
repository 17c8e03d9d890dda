/* SPDX-License-Identifier: GPL-2.0-only */
/* The options of a command that the stream needs. Constant once the command has filled it in. */
#ifndef PORTTRACE_STREAM_CONFIG_H
#define PORTTRACE_STREAM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "porttrace/settings.h"

struct stream_config {
	const struct settings *settings; /* the filters; borrowed */
	bool show_churn;
	bool shows_pools;      /* how full the pools are before the first interval */
	bool is_default;       /* no --event: text leaves out what is of little interest; JSON is complete */
	bool limits_churn;     /* the sums of churn are those of what passes the filters */
	double duration_s;     /* 0: no limit */
	double interval_s;     /* between port-usage reports */
	uint64_t count;	       /* end after this many events or intervals; 0: no limit */
	bool counts_intervals; /* `count` counts intervals, not events */
};

/* Whether a filter excludes sockets, so that counts over the port table are too low. */
bool stream_config_filters_sockets(const struct stream_config *config);
/* Whether a filter excludes sockets of a wanted network namespace. */
bool stream_config_filters_flows(const struct stream_config *config);
/* Whether the filter --netns accepts this network namespace. */
bool stream_config_wants_netns(const struct stream_config *config, uint32_t netns);

#endif
