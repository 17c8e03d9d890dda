/* SPDX-License-Identifier: GPL-2.0-only */
/* `porttrace ephemeral`: a table per interval. */
#ifndef PORTTRACE_RENDER_TEXT_EPHEMERAL_H
#define PORTTRACE_RENDER_TEXT_EPHEMERAL_H

#include "render/renderer.h"

extern const struct renderer render_ephemeral;

#endif
