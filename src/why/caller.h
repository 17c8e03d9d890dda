/* SPDX-License-Identifier: GPL-2.0-only */
/* The process that would call bind(), with the credentials that the kernel checks. */
#ifndef PORTTRACE_WHY_CALLER_H
#define PORTTRACE_WHY_CALLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"
#include "why/config.h"
#include "why/why.h"

struct why_caller {
	struct wire_task task; /* of --pid; pid 0: no specific process */
	uint32_t netns;
	uint32_t uid;	       /* owner of the sockets that it creates */
	uint64_t user_ns;      /* inode number */
	bool is_raised;	       /* CAP_NET_BIND_SERVICE, effective in user_ns */
};

/* 0, -ESRCH if the process does not exist, or -errno. */
int why_caller_find(const struct why_config *config, struct why_caller *caller);
/* The status for an error of why_caller_find(), and a sentence about it. */
enum why_status why_caller_failed(const struct why_config *config, int err, char *reason, size_t size);

/* Whether the caller may bind privileged ports in the network namespace of this descriptor. */
bool why_caller_is_privileged(const struct why_caller *caller, int netns_fd);

#endif
