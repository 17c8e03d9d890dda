/* SPDX-License-Identifier: GPL-2.0-only */
/* The text format of the stream, `ls` and `why`. */
#ifndef PORTTRACE_RENDER_TEXT_H
#define PORTTRACE_RENDER_TEXT_H

#include "render/renderer.h"

extern const struct renderer render_text;

#endif
