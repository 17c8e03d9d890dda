/* SPDX-License-Identifier: GPL-2.0-only */
/* Which servers use ports of the ephemeral range, per network namespace, and which ports are not reserved for them. */
#ifndef PORTTRACE_STREAM_AUDIT_H
#define PORTTRACE_STREAM_AUDIT_H

#include "porttrace/settings.h"
#include "render/render.h"
#include "stream/lookup.h"
#include "system/netns_read.h"

/* The settings of a network namespace. `reserved`: a 1 for each port of ip_local_reserved_ports. */
struct audit_settings {
	uint16_t range_low, range_high; /* 0: not known */
	uint8_t reserved[NETNS_PORTS];
};

/* Reports one network namespace, with the sockets of the model. Needs a source. 0 or -ENOMEM. */
int audit_report(struct lookup *lookup, uint32_t netns, const struct audit_settings *settings,
		 const struct renderer *renderer, struct render *render, uint64_t now_boot_ns);

#endif
