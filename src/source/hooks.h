/* SPDX-License-Identifier: GPL-2.0-only */
/* Which program reports which fact on which backend, and what the user loses without it. */
#ifndef PORTTRACE_SOURCE_HOOKS_H
#define PORTTRACE_SOURCE_HOOKS_H

#include <stdbool.h>
#include <stddef.h>

enum backend { BACKEND_FENTRY, BACKEND_KPROBE, BACKEND_TRACEPOINT, BACKEND_COUNT };

enum fact {
	FACT_BIND,
	FACT_LISTEN,
	FACT_CONNECT,
	FACT_CONNECT_RESULT,
	FACT_IMPLICIT_BIND,
	FACT_IO_URING,
	FACT_ACCEPT,
	FACT_CLOSE,
	FACT_TCP_END,
	FACT_IDENTITY,
	FACT_ASKED,
	FACT_COUNT
};

#define HOOK_PROGRAMS_MAX 4

struct hook {
	enum fact fact;
	const char *name;     /* as `start.missing` and `doctor` say it */
	const char *loses;    /* what the user does not see without it */
	const char *price;    /* of the tracepoint backend, for `doctor` */
	/* The programs that together report the fact; none: this backend does not show it. */
	const char *programs[BACKEND_COUNT][HOOK_PROGRAMS_MAX];
	/* One more, only where a call's return does not have its arguments (before 5.15). */
	const char *entry;
};

extern const struct hook hooks[FACT_COUNT];

/* The programs of a fact, `entry` included where the kernel needs it; NULL past the last. */
const char *hook_program(enum fact fact, enum backend backend, bool needs_entry, int index);

const char *backend_name(enum backend backend);

#endif
