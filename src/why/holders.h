/* SPDX-License-Identifier: GPL-2.0-only */
/* The sockets on one port, sorted by their relation to a claim. */
#ifndef PORTTRACE_WHY_HOLDERS_H
#define PORTTRACE_WHY_HOLDERS_H

#include <stddef.h>
#include <stdint.h>

#include "diagnose/diagnose.h"
#include "stream/lookup.h"

#define ELSEWHERE_MAX 3

/*
 * A busy server has tens of thousands of connections on one port; the most important ones are kept. For the
 * claim's namespace, in this order: sockets that refuse the claim, sockets that would share the port, sockets
 * with another address.
 */
struct why_holders {
	struct failure failure;
	struct holder list[FAILURE_HOLDERS_MAX];
	struct holder in_order[FAILURE_HOLDERS_MAX];	 /* the same in the kernel's order: those of `failure` */
	size_t refusing, sharing, beside;		 /* how many of the list */
	size_t refusing_more, sharing_more, beside_more; /* how many did not fit */
	struct holder elsewhere[ELSEWHERE_MAX];		 /* listening or unconnected sockets in other
							  * namespaces */
	size_t elsewhere_count, elsewhere_more;
};

/* The sockets of the port as the kernel has them, first to last; count 0: not known. */
struct socket_chain {
	const struct wire_socket *sockets;
	size_t count;
};

/*
 * Selects from the sockets in the model. Sockets that are alike stand in the kernel's order, as in the refusals that the
 * BPF programs report.
 */
void why_holders_find(struct why_holders *holders, const struct claim *claim, const struct socket_chain *chain,
		      struct model *model, uint64_t now_boot_ns);
/* Looks up the missing facts about those selected. */
void why_holders_look_up(struct why_holders *holders, struct lookup *lookup);

#endif
