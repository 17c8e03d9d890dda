/* SPDX-License-Identifier: GPL-2.0-only */
/* The output formats. */
#ifndef PORTTRACE_RENDER_RENDER_H
#define PORTTRACE_RENDER_RENDER_H

#include "render/renderer.h"

/* "text", "json", "ephemeral" or "status-lines"; NULL for another name. */
const struct renderer *render_find(const char *name);

#endif
