/* SPDX-License-Identifier: GPL-2.0-only */
/* The answer of `why` as text. */
#ifndef PORTTRACE_RENDER_TEXT_WHY_H
#define PORTTRACE_RENDER_TEXT_WHY_H

#include "render/text_out.h"

void text_why(struct render *render, const struct why_report *report);

#endif
