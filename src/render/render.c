/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of output formats: a new one is its own file and a row here. */
#include "render/render.h"

#include <stddef.h>
#include <string.h>

#include "render/json.h"
#include "render/status_lines.h"
#include "render/text.h"
#include "render/text_ephemeral.h"

static const struct renderer *const formats[] = {
	&render_text,
	&render_json,
	&render_ephemeral,
	&render_status_lines,
};

const struct renderer *render_find(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	}
	return NULL;
}
