/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/scan_source.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "source/live.h"
#include "source/sock_diag.h"

struct source *scan_source_open(const struct kernel_options *options, source_event_fn event, void *context, char *reason,
				size_t size)
{
	struct source *source = live_open(options, event, context, reason, size);

	if (source || (errno != EPERM && errno != EACCES && errno != ENOTSUP))
		return source;
	source = sock_diag_open(options->settings, reason);
	if (!source)
		snprintf(reason, size, "%s", strerror(errno));
	return source;
}

void scan_source_limits(const struct source *source, char *text, size_t size)
{
	text[0] = '\0';
	if (source && source->ops->limits)
		source->ops->limits(source, text, size);
}
