/* SPDX-License-Identifier: GPL-2.0-only */
/* Shared by the text formats: text_out.h. */
#include "render/text_out.h"

#include <errno.h>

#include "util/display_width.h"

#define LABEL_WIDTH    8
#define NARROWEST_NOTE 20

void text_begin(struct render *render, struct text_line *line, uint64_t boot_ns)
{
	const struct render_options *options = &render->options;
	int64_t wall_ns = render_wall_ns(options, boot_ns);
	char text[TIME_FORMAT_SIZE];

	switch (options->time) {
	case TIME_WALL:
		time_format_wall(&render->clock, wall_ns, text);
		break;
	case TIME_RELATIVE:
		time_format_relative((int64_t)(boot_ns - options->start_boot_ns), text);
		break;
	case TIME_ISO:
		time_format_iso(&render->clock, wall_ns, text);
		break;
	case TIME_NONE:
		return;
	}
	text_line_add(line, text);
	text_line_column(line, render->time_width);
}

static void write_line(struct render *render, struct text_line *line, size_t width)
{
	FILE *out = render->options.out;

	text_line_write(line, out, width, render->options.colour);
	if (ferror(out) && !render->error)
		render->error = errno ? -errno : -EIO;
}

void text_write(struct render *render, struct text_line *line)
{
	write_line(render, line, render->options.width);
}

void text_write_whole(struct render *render, struct text_line *line)
{
	write_line(render, line, 0);
}

/* Bytes of `text` for one line of `width` columns: up to the last space that fits, else what fits. */
static size_t wrap(const char *text, size_t length, size_t width)
{
	size_t fits = display_fit(text, length, width), end = fits;

	if (fits == length)
		return length;
	while (end > 0 && text[end] != ' ')
		end--;
	return end > 0 ? end : fits;
}

void text_note(struct render *render, const char *label, const char *text, size_t length)
{
	size_t indent = render->time_width;
	size_t beside = indent + LABEL_WIDTH;
	size_t width = render->options.width;
	size_t room = width == 0 ? SIZE_MAX :
		      width > beside + NARROWEST_NOTE ? width - beside : NARROWEST_NOTE;

	while (length > 0) {
		struct text_line line = {};
		size_t taken = wrap(text, length, room);

		text_line_column(&line, indent);
		text_line_add(&line, label);
		text_line_column(&line, beside);
		text_line_put(&line, text, taken);
		text_write_whole(render, &line);
		label = "";
		text += taken;
		length -= taken;
		for (; length > 0 && *text == ' '; length--)
			text++;
	}
}
