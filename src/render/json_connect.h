/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PORTTRACE_RENDER_JSON_CONNECT_H
#define PORTTRACE_RENDER_JSON_CONNECT_H

#include "render/json_out.h"

void json_connect(struct render *render, const struct connect_report *report);

#endif
