/* SPDX-License-Identifier: GPL-2.0-only */
/* What the filters select, in words for the first line. */
#ifndef PORTTRACE_STREAM_WATCHING_H
#define PORTTRACE_STREAM_WATCHING_H

#include "porttrace/settings.h"

#define WATCHING_SIZE 256

/* "port 3000", "ports 80,8000-8100, nginx"; "all ports" without a filter. What does not fit is left out. */
void watching_describe(const struct settings *settings, char out[WATCHING_SIZE]);

#endif
