/* SPDX-License-Identifier: GPL-2.0-only */
/* TIME_WAITs and ephemeral ports of a network namespace in one interval, and warnings about them. */
#ifndef PORTTRACE_RENDER_TEXT_CHURN_H
#define PORTTRACE_RENDER_TEXT_CHURN_H

#include "render/text_out.h"

void text_churn(struct render *render, const struct churn *churn, struct model *model,
		uint64_t boot_ns);
/* Shows the sums that are due; the second all, and frees their memory. */
void text_churn_advance(struct render *render, uint64_t now_boot_ns);
void text_churn_end(struct render *render, uint64_t now_boot_ns);
void text_warning(struct render *render, const struct warning *warning, uint64_t boot_ns);

#endif
