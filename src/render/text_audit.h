/* SPDX-License-Identifier: GPL-2.0-only */
/* `porttrace ephemeral --audit` as text. */
#ifndef PORTTRACE_RENDER_TEXT_AUDIT_H
#define PORTTRACE_RENDER_TEXT_AUDIT_H

#include "render/renderer.h"

void text_audit(struct render *render, const struct audit_report *report);

#endif
