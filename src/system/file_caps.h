/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether capabilities of an executable (setcap) would reach the process that runs it. */
#ifndef PORTTRACE_SYSTEM_FILE_CAPS_H
#define PORTTRACE_SYSTEM_FILE_CAPS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * `dir` is /proc/PID, `exe` its executable and `uid` its user. false: a capability of the file has no effect on it, or
 * `exe` names another file here. true where nothing speaks against it.
 */
bool file_caps_reach(int dir, const char *exe, uint32_t uid);

#endif
