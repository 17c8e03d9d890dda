/* SPDX-License-Identifier: GPL-2.0-only */
/* `porttrace why --connect`: predicts a connect() from the route, the local ports and the sockets of this machine. It
 * does not connect. */
#ifndef PORTTRACE_WHY_CONNECT_H
#define PORTTRACE_WHY_CONNECT_H

#include <stddef.h>
#include <stdint.h>

#include "render/render.h"
#include "why/config.h"
#include "why/why.h"

/*
 * config->address and port are the destination. Prints the answer (renderer NULL: prints nothing). WHY_ANSWERED: *error
 * is the errno that connect() would return, 0 if nothing that is known stops it. Otherwise `reason` says what failed.
 * *output_err: -errno of the output. limits: as of why_question_limits().
 */
enum why_status why_connect(const struct why_config *config, const struct renderer *renderer,
			    const struct render_options *options, uint32_t *error, int *output_err, char *limits,
			    char *reason, size_t reason_size);

#endif
