/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Finds what makes a refused call succeed. Every remedy is tried in a copy of the situation, by the rules that predict
 * the kernel's verdict, against all sockets on the port; a remedy after which the call still fails is not listed.
 */
#ifndef PORTTRACE_DIAGNOSE_REMEDY_H
#define PORTTRACE_DIAGNOSE_REMEDY_H

#include <stddef.h>
#include <stdint.h>

#include "diagnose/cause.h"
#include "diagnose/diagnose.h"


/* Fills conflict->remedies, best first: least harm, then soonest effect. Pure. */
void remedy_find(const struct finding *f, enum cause cause, struct conflict *conflict);

/* Appends to the remedy's sentence. What does not fit is cut between characters. */
void remedy_text(struct remedy *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Names for JSON: "stop_process", "now". */
const char *remedy_action_name(enum remedy_action action);
const char *remedy_effect_name(enum remedy_effect effect);

#endif
