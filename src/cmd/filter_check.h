/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PORTTRACE_CMD_FILTER_CHECK_H
#define PORTTRACE_CMD_FILTER_CHECK_H

#include "porttrace/settings.h"
#include "source/source.h"

/* Says on stderr which filters match nothing: a process or network namespace that does not exist, an address of the family
 * that -4 or -6 excludes. `source` has done its first scan. */
void filter_check(const struct settings *settings, const struct source *source);

#endif
