/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From /etc/passwd only: getpwuid() may ask a directory service over the network, which would wait, and would take
 * ports itself.
 */
#include "system/user_name.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>

void user_name_read(uint32_t uid, char name[USER_NAME_SIZE])
{
	FILE *file = fopen("/etc/passwd", "re");
	const struct passwd *entry;

	*name = '\0';
	while (file && (entry = fgetpwent(file))) {
		if (entry->pw_uid == uid) {
			snprintf(name, USER_NAME_SIZE, "%s", strlen(entry->pw_name) < USER_NAME_SIZE ? entry->pw_name : "");
			break;
		}
	}
	if (file)
		fclose(file);
}
