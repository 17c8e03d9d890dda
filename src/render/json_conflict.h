/* SPDX-License-Identifier: GPL-2.0-only */
/* Of a refusal in JSON: its cause in words, and every socket that has the port. */
#ifndef PORTTRACE_RENDER_JSON_CONFLICT_H
#define PORTTRACE_RENDER_JSON_CONFLICT_H

#include "render/json_out.h"

/* Into a map that the caller opened. */
void json_conflict(struct render *render, const struct conflict *conflict);

#endif
