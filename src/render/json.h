/* SPDX-License-Identifier: GPL-2.0-only */
/* The JSON format: one object per line. */
#ifndef PORTTRACE_RENDER_JSON_H
#define PORTTRACE_RENDER_JSON_H

#include "render/renderer.h"

extern const struct renderer render_json;

#endif
