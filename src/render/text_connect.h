/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PORTTRACE_RENDER_TEXT_CONNECT_H
#define PORTTRACE_RENDER_TEXT_CONNECT_H

#include "render/text_out.h"

void text_connect(struct render *render, const struct connect_report *report);

#endif
