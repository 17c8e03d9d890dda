/* SPDX-License-Identifier: GPL-2.0-only */
/* The sockets of one port, sorted by what they are to a claim. */
#ifndef PORTTRACE_WHY_HOLDERS_H
#define PORTTRACE_WHY_HOLDERS_H

#include <stddef.h>
#include <stdint.h>

#include "diagnose/diagnose.h"
#include "stream/lookup.h"

#define ELSEWHERE_MAX 3

/*
 * A busy server has a port by the ten thousand connections; kept are those that matter most. Of the
 * claim's namespace, in this order: the ones that refuse it, that would share, that have another address.
 */
struct why_holders {
	struct failure failure;
	struct holder list[FAILURE_HOLDERS_MAX];
	size_t refusing, sharing, beside;		 /* how many of the list are which */
	size_t refusing_more, sharing_more, beside_more; /* and how many did not fit */
	struct holder elsewhere[ELSEWHERE_MAX];		 /* listening, or idle, in other namespaces */
	size_t elsewhere_count, elsewhere_more;
};

/* Chooses among the sockets of lookup->model, and looks up what is not known of those chosen. */
void why_holders_find(struct why_holders *holders, const struct claim *claim, struct lookup *lookup,
		      uint64_t now_boot_ns);

#endif
