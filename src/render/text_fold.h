/* SPDX-License-Identifier: GPL-2.0-only */
/* Folded events as a line with a count. */
#ifndef PORTTRACE_RENDER_TEXT_FOLD_H
#define PORTTRACE_RENDER_TEXT_FOLD_H

#include "render/fold.h"

/* "again ×14 node[977..1012] tcp 0.0.0.0:3000", "+1,203 connect curl[4242] tcp -> 127.0.0.1:80 (1.0 s)". A fold_fn;
 * context is the struct render. */
void text_folded(void *context, const struct fold_entry *entry, uint64_t end_boot_ns);

#endif
