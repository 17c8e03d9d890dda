/* SPDX-License-Identifier: GPL-2.0-only */
/* Appending to a shell command, with quotes. */
#include "diagnose/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void command_append(struct command *command, const char *format, ...)
{
	size_t room = sizeof(command->text) - command->length;
	va_list args;
	int wanted;

	va_start(args, format);
	wanted = vsnprintf(command->text + command->length, room, format, args);
	va_end(args);
	if (wanted < 0 || (size_t)wanted >= room)
		command->is_cut = true;
	else
		command->length += (size_t)wanted;
}

static bool is_plain(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";

	return *word && *word != '-' && !word[strspn(word, plain)];
}

void command_append_word(struct command *command, const char *word)
{
	if (is_plain(word)) {
		command_append(command, "%s", word);
		return;
	}
	/* A program takes a word that begins with '-' as an option, even in quotes. */
	command->is_cut |= !*word || *word == '-';
	command_append(command, "'");
	for (; *word; word++) {
		if ((unsigned char)*word < ' ' || *word == 0x7f)
			command->is_cut = true;
		if (*word == '\'')
			command_append(command, "'\\''");
		else
			command_append(command, "%c", *word);
	}
	command_append(command, "'");
}

const char *command_text(const struct command *command)
{
	return command->is_cut ? "" : command->text;
}
