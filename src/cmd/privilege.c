/* SPDX-License-Identifier: GPL-2.0-only */
#include "cmd/privilege.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "diagnose/command.h"
#include "probe/features.h"

/* command_append_word() is for names, which must not become an option. */
static void append_argument(struct command *command, const char *argument)
{
	size_t dashes = strspn(argument, "-");

	command_append(command, " %.*s", (int)dashes, argument);
	if (!dashes || argument[dashes])
		command_append_word(command, argument + dashes);
}

/* "; try: sudo porttrace 3000". "" for root, and for words that cannot be pasted. */
static const char *with_sudo(char *const *argv, struct command *command)
{
	static const char name[] = "porttrace ";

	*command = (struct command){0};
	if (geteuid() == 0)
		return "";
	/* main() has set the name of a command; without a command it is the path of the program. */
	command_append(command, "; try: sudo porttrace%s",
		       strncmp(argv[0], name, sizeof(name) - 1) ? "" : argv[0] + sizeof(name) - 2);
	for (size_t i = 1; argv[i]; i++)
		append_argument(command, argv[i]);
	return command_text(command);
}

void privilege_print_refused(char *const *argv, const char *reason)
{
	char missing[FEATURES_PRIVILEGES_SIZE];
	struct command command;

	if (geteuid() == 0 || !features_missing_privileges(missing, sizeof(missing)))
		fprintf(stderr, "porttrace: %s\n", reason);
	else if (!features_may_load())
		fprintf(stderr, "porttrace: needs root%s (missing: %s)\n", with_sudo(argv, &command), missing);
	else
		fprintf(stderr, "porttrace: needs root%s (%s)\n", with_sudo(argv, &command), reason);
}

void privilege_print_limits(char *const *argv, const char *limits)
{
	struct command command;

	if (limits[0])
		fprintf(stderr, "porttrace: %s%s\n", limits, with_sudo(argv, &command));
}
