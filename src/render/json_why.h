/* SPDX-License-Identifier: GPL-2.0-only */
/* The answer of `why` in JSON. */
#ifndef PORTTRACE_RENDER_JSON_WHY_H
#define PORTTRACE_RENDER_JSON_WHY_H

#include "render/json_out.h"

void json_why(struct render *render, const struct why_report *report);

#endif
