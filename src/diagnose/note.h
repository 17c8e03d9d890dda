/* SPDX-License-Identifier: GPL-2.0-only */
/* Facts about the situation that help beside the kernel's rule: what the programs did to get there. */
#ifndef PORTTRACE_DIAGNOSE_NOTE_H
#define PORTTRACE_DIAGNOSE_NOTE_H

#include "diagnose/cause.h"

/* Fills notes, note_count and repeat. */
void note_find(const struct finding *f, struct conflict *conflict);

#endif
