/* SPDX-License-Identifier: GPL-2.0-only */
/* A line: 42 25 0:4 net:[4026532281] /run/netns/blue rw shared:5 - nsfs nsfs rw */
#include "system/mountinfo.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_octal(const char *digits)
{
	return digits[0] >= '0' && digits[0] <= '3' && digits[1] >= '0' && digits[1] <= '7' &&
	       digits[2] >= '0' && digits[2] <= '7';
}

/* The kernel writes blank, tab, newline and backslash as \ooo: show_mountinfo() in fs/proc_namespace.c. */
static void unescape(char *text)
{
	char *out = text;

	while (*text) {
		if (*text == '\\' && is_octal(text + 1)) {
			*out++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

bool mountinfo_parse_netns(char *line, uint32_t *netns, char **path)
{
	int at = 0;

	if (sscanf(line, "%*d %*d %*s net:[%" SCNu32 "] %n", netns, &at) != 1 || !at || !line[at])
		return false;
	*path = line + at;
	(*path)[strcspn(*path, " \n")] = '\0';
	unescape(*path);
	return true;
}

void mountinfo_each_netns(mountinfo_netns_fn found, void *context)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *path;
	size_t size = 0;
	uint32_t netns;

	while (file && getline(&line, &size, file) > 0) {
		if (mountinfo_parse_netns(line, &netns, &path))
			found(context, netns, path);
	}
	free(line);
	if (file)
		fclose(file);
}
