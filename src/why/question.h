/* SPDX-License-Identifier: GPL-2.0-only */
/* What `porttrace why` knows of its question by the time it answers. */
#ifndef PORTTRACE_WHY_QUESTION_H
#define PORTTRACE_WHY_QUESTION_H

#include <stddef.h>
#include <stdint.h>

#include "why/caller.h"
#include "why/holders.h"
#include "cmd/why_options.h"
#include "why/bind_environment.h"
#include "diagnose/diagnose.h"
#include "model/model.h"
#include "porttrace/bucket_dump.h"
#include "system/netns.h"
#include "source/source.h"

struct why_question {
	struct why_options options;
	struct why_caller caller;
	struct bind_environment place;
	struct claim claim;
	struct netns_list *namespaces;
	struct source *source;
	struct model *model;
	struct why_holders holders;
	struct pool pool;
	struct bucket_dump walk;	 /* done: the kernel's tables were walked */
	struct bucket bucket;	 /* walk.has_bucket */
	struct wire_socket *chain; /* what the walk found, in the kernel's order */
	size_t chain_count, chain_max;
	size_t unseen;		 /* sockets that no process has open */
	uint64_t boot_ns; /* when the look ended */
};

/* The verdict in words, to standard output: `error` is what bind() would say, 0 that it would work.
 * 0 or -errno. */
int why_report_print(struct why_question *question, uint32_t error);

#endif
