/* SPDX-License-Identifier: GPL-2.0-only */
/* The records `churn` and `warning`. */
#ifndef PORTTRACE_RENDER_JSON_CHURN_H
#define PORTTRACE_RENDER_JSON_CHURN_H

#include "render/json_out.h"

void json_pools(struct render *render, const struct forecast *forecasts, size_t count, uint64_t boot_ns);
void json_churn(struct render *render, const struct churn *churn, struct model *model, uint64_t boot_ns);
void json_warning(struct render *render, const struct warning *warning, uint64_t boot_ns);

#endif
