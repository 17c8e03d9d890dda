/* SPDX-License-Identifier: GPL-2.0-only */
/* The conflict of a failure in JSON: cause, sentences, and the sockets that hold the port. */
#ifndef PORTTRACE_RENDER_JSON_CONFLICT_H
#define PORTTRACE_RENDER_JSON_CONFLICT_H

#include "render/json_out.h"

/* Adds to a map that the caller opened. */
void json_conflict(struct render *render, const struct conflict *conflict);

#endif
