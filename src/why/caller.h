/* SPDX-License-Identifier: GPL-2.0-only */
/* Who would bind: what of a process, a user or porttrace itself the kernel would look at. */
#ifndef PORTTRACE_WHY_CALLER_H
#define PORTTRACE_WHY_CALLER_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/why_options.h"
#include "porttrace/wire.h"

struct why_caller {
	struct wire_task task; /* of --pid; pid 0: nobody in particular */
	uint32_t netns;
	uint32_t uid;	       /* of the sockets that it makes */
	uint64_t user_ns;      /* inode number */
	bool is_raised;	       /* CAP_NET_BIND_SERVICE, effective in user_ns */
};

/* 0, -ESRCH when the process has gone, or -errno. */
int why_caller_find(const struct why_options *options, struct why_caller *caller);

/* Whether the kernel lets it take a privileged port of this network namespace, a descriptor. */
bool why_caller_is_privileged(const struct why_caller *caller, int netns_fd);

#endif
