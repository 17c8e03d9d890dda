/* SPDX-License-Identifier: GPL-2.0-only */
/* Names of users. */
#ifndef PORTTRACE_SYSTEM_USER_NAME_H
#define PORTTRACE_SYSTEM_USER_NAME_H

#include <stdint.h>

#define USER_NAME_SIZE 32 /* as in struct wire_process */

/* "" if /etc/passwd has no such user, or the name does not fit: a cut one may be another user's. */
void user_name_read(uint32_t uid, char name[USER_NAME_SIZE]);

#endif
