/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Warnings: a pool will run out of ports, has run out, a process uses ports in a way that makes it run out, or two
 * programs serve one port (second_server.h). Each has a reason and a fix, and is printed once. Kinds, as in
 * docs/json-schema.md: exhaustion, exhausted, bind-before-connect, service-port-in-range, self-connect,
 * timewait-overflow, localhost-two-servers, group-two-programs.
 */
#ifndef PORTTRACE_DIAGNOSE_WARNING_H
#define PORTTRACE_DIAGNOSE_WARNING_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnose/forecast.h"

struct warning {
	const char *kind;
	struct wire_sock sock;		 /* the subject; a port or address of zero is unknown */
	struct wire_task task;		 /* the process, or the one that took most; pid 0: unknown */
	struct wire_sock other;		 /* localhost-two-servers, group-two-programs: the server that was there before */
	struct wire_task other_task;	 /* its process; pid 0: there is no other server */
	const struct forecast *forecast; /* exhaustion, exhausted; else NULL */
	uint64_t count;			 /* occurrences so far; 0: not counted */
	char why[512];			 /* one sentence, UTF-8, names escaped */
	char fix[512];			 /* one sentence */
};

/* Remembers up to 256 pools; a pool is reported again after it has recovered. */
struct warner;

/* NULL with errno ENOMEM. */
struct warner *warner_new(void);
void warner_free(struct warner *warner);

/* true: print *warning now; it borrows the forecast. */
bool warning_of_pool(struct warner *warner, const struct forecast *forecast, const struct churn *churn,
		     struct warning *warning);
/* netns: NULL if its settings are unknown. */
void warning_of_misuse(const struct wire_misuse *misuse, const struct netns_entry *netns,
		       struct warning *warning);

#endif
