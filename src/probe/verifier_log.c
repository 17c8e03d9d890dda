/* SPDX-License-Identifier: GPL-2.0-only */
/* The verifier's log at level 1: the instructions it verified, then the reason, then statistics. */
#include "probe/verifier_log.h"

#include <stdio.h>
#include <string.h>

/* print_verification_stats() in kernel/bpf/verifier.c. */
static bool is_statistics(const char *line)
{
	static const char *const begins[] = {"processed ", "verification time ", "stack depth "};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
		if (!strncmp(line, begins[i], strlen(begins[i])))
			return true;
	}
	return false;
}

bool verifier_log_reason(const char *log, char *reason, size_t size)
{
	const char *last = NULL, *end;
	bool is_complete = false;
	size_t length = 0;

	for (const char *line = log; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		is_complete |= is_statistics(line);
		if (end == line || is_statistics(line))
			continue;
		last = line;
		length = (size_t)(end - line);
	}
	if (!last || !is_complete)
		return false;
	snprintf(reason, size, "%.*s", (int)length, last);
	return true;
}
