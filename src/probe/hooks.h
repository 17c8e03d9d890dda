/* SPDX-License-Identifier: GPL-2.0-only */
/* Which programs report which fact on which backend, and what the user does not see without them. */
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
	FACT_UDP_ERROR,
	FACT_TIMEWAIT,
	FACT_SEARCH,
	FACT_IDENTITY,
	FACT_CGROUP,
	FACT_SECCOMP,
	FACT_COUNT
};

#define PROBE_SETS_MAX	   3
#define PROBE_PROGRAMS_MAX 16

/* The programs that together report one fact; NULL after the last. */
struct probe_set {
	const char *programs[PROBE_PROGRAMS_MAX];
	enum probe_need {
		PROBE_NEEDS_NOTHING,
		PROBE_NEEDS_CALL_REGS, /* bpf_task_pt_regs() (5.15): the arguments of a call at its return */
		PROBE_NEEDS_COOKIES,   /* bpf_get_socket_cookie() in tracing programs (5.12) */
		PROBE_NEEDS_FUNC_RET,  /* bpf_get_func_ret() (5.17) */
	} needs;
};

struct hook {
	enum fact fact;
	const char *name;	/* in `start.missing` and `doctor` */
	const char *loses;	/* what the user does not see without it */
	const char *price;	/* of the tracepoint backend, for `doctor`; NULL: none */
	const char *gap;	/* what the tracepoint backend does not report, for `doctor`; NULL: nothing */
	/* Best first. No sets: covered_by or unsupported_why gives the reason. */
	struct probe_set sets[BACKEND_COUNT][PROBE_SETS_MAX];
	const char *covered_by[BACKEND_COUNT];	    /* why the backend needs no programs of its own for this fact */
	const char *unsupported_why[BACKEND_COUNT]; /* why the backend never reports this fact */
};

extern const struct hook hooks[FACT_COUNT];

const char *backend_name(enum backend backend);

#endif
