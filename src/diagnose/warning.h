/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Before ports run out, when they have, and what makes them: said once, with the reason and what helps.
 * Kinds (docs/json-schema.md has them too): exhaustion, exhausted, bind-before-connect, service-port-in-range,
 * self-connect, timewait-overflow.
 */
#ifndef PORTTRACE_DIAGNOSE_WARNING_H
#define PORTTRACE_DIAGNOSE_WARNING_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnose/forecast.h"

struct warning {
	const char *kind;
	struct wire_sock sock;		 /* what it is about; ports and addresses that are zero are not known */
	struct wire_task task;		 /* who, or who most of all; pid 0: not known */
	const struct forecast *forecast; /* exhaustion, exhausted; else NULL */
	uint64_t count;			 /* how often so far; 0: not counted */
	char why[512];			 /* one sentence, UTF-8, names escaped */
	char fix[512];			 /* one sentence */
};

/* Which pools were warned of; a pool is warned of again after it has recovered. */
struct warner;

struct warner *warner_new(void);
void warner_free(struct warner *warner);

/* true: *warning is to be said now; it borrows the forecast. */
bool warning_of_pool(struct warner *warner, const struct forecast *forecast, const struct churn *churn,
		     struct warning *warning);
/* netns: NULL where nothing is known of it. */
void warning_of_misuse(const struct wire_misuse *misuse, const struct netns_entry *netns,
		       struct warning *warning);

#endif
