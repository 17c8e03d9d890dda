/* SPDX-License-Identifier: GPL-2.0-only */
/* Parts of lines that the stream, its explanations and `ls` have in common. */
#include "render/text.h"

#include <string.h>

#include "render/names.h"

#define LABEL_WIDTH    8
#define NARROWEST_NOTE 20
#define CONTAINER_SHOWN 12 /* digits, as docker ps shows it */

void text_who(struct text_line *line, const char *comm, uint32_t pid)
{
	text_line_bytes(line, comm, strnlen(comm, sizeof(((struct wire_task *)0)->comm)));
	text_line_format(line, "[%u]", pid);
}

void text_item(struct text_line *line)
{
	if (line->length > 0)
		text_line_add(line, ", ");
}

void text_options(struct text_line *line, const struct wire_sock *sk)
{
	const char *names[OPTION_NAMES_MAX];
	size_t count = option_names(sk->flags, names);

	for (size_t i = 0; i < count; i++) {
		text_item(line);
		text_line_add(line, names[i]);
	}
}

void text_interface(struct text_line *line, const char *interface)
{
	if (!interface || !interface[0])
		return;
	text_item(line);
	text_line_add(line, "on ");
	text_line_bytes(line, interface, strlen(interface));
}

void text_place(struct text_line *line, const struct process *process)
{
	if (!process)
		return;
	if (process->unit[0]) {
		text_item(line);
		text_line_bytes(line, process->unit, strlen(process->unit));
	}
	if (process->container[0]) {
		text_item(line);
		text_line_add(line, "container ");
		text_line_bytes(line, process->container,
				strnlen(process->container, CONTAINER_SHOWN));
	}
}

/* How much of `text` goes on one line: up to the last space that fits, or all of a long word. */
static size_t wrap(const char *text, size_t length, size_t width)
{
	size_t columns = 0, last_space = 0;

	for (size_t i = 0; i < length; i++) {
		columns += text_columns(text + i, 1);
		if (columns > width && last_space > 0)
			return last_space;
		if (text[i] == ' ')
			last_space = i;
	}
	return columns > width && last_space > 0 ? last_space : length;
}

void text_note(struct render *render, const char *label, const char *text, size_t length)
{
	size_t indent = render->columns.event;
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
