/* SPDX-License-Identifier: GPL-2.0-only */
/* Which program reports which fact on which backend, and what the user loses without it. */
#ifndef PORTTRACE_PROBE_HOOKS_H
#define PORTTRACE_PROBE_HOOKS_H

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
	FACT_TIMEWAIT,
	FACT_SEARCH,
	FACT_IDENTITY,
	FACT_CGROUP,
	FACT_SECCOMP,
	FACT_COUNT
};

#define HOOK_WAYS_MAX	  3
#define HOOK_PROGRAMS_MAX 16

/* The programs that together report a fact; NULL past the last. */
struct hook_way {
	const char *programs[HOOK_PROGRAMS_MAX];
	enum hook_need {
		HOOK_NEEDS_NOTHING,
		HOOK_NEEDS_CALL_REGS, /* a call's return has its arguments: bpf_task_pt_regs() (5.15) */
		HOOK_NEEDS_COOKIES,   /* bpf_get_socket_cookie() in tracing programs (5.12) */
	} needs;
};

struct hook {
	enum fact fact;
	const char *name;	/* as `start.missing` and `doctor` say it */
	const char *loses;	/* what the user does not see without it */
	const char *price;	/* of the tracepoint backend, for `doctor` */
	/* By preference; the first of which the kernel has every function. None: not shown. */
	struct hook_way ways[BACKEND_COUNT][HOOK_WAYS_MAX];
	/* NULL, or why this backend needs no programs of its own for it; why it cannot show it. */
	const char *without[BACKEND_COUNT], *cannot[BACKEND_COUNT];
};

extern const struct hook hooks[FACT_COUNT];

const char *backend_name(enum backend backend);

#endif
