/* SPDX-License-Identifier: GPL-2.0-only */
/* The rows of hooks.c against what there is. */
#include "probe/choice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "probe/features.h"
#include "probe/functions.h"

int choice_init(struct choice *choice, uint32_t facts, int backend)
{
	enum backend first = BACKEND_FENTRY;
	char reason[160];

	*choice = (struct choice){.is_fixed = backend >= 0, .cookies = true};
	if (!facts) /* only looks: they need no function, and should not wait for a list of them */
		return 0;
	choice->functions = functions_open();
	if (!choice->functions)
		return -errno;
	choice->call_regs =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_TRACEPOINT, BPF_FUNC_task_pt_regs, NULL) == 1;
	choice->cookies = functions_try_cookies(choice->functions);
	if (choice->is_fixed)
		first = (enum backend)backend;
	else if (functions_try_fentry(choice->functions, "inet_csk_get_port"))
		first = features_backend(BACKEND_KPROBE, reason, sizeof(reason)) ? BACKEND_KPROBE :
										   BACKEND_TRACEPOINT;
	for (int i = 0; i < FACT_COUNT; i++) {
		choice->facts[i].wanted = choice->facts[i].works = facts & 1U << i;
		choice->facts[i].backend = first;
	}
	return 0;
}

void choice_done(struct choice *choice)
{
	functions_close(choice->functions);
	choice->functions = NULL;
}

static bool need_is_met(const struct choice *choice, const struct hook_way *way)
{
	switch (way->needs) {
	case HOOK_NEEDS_NOTHING:
		return true;
	case HOOK_NEEDS_CALL_REGS:
		return choice->call_regs;
	case HOOK_NEEDS_COOKIES:
		return choice->cookies;
	}
	return false;
}

/* reason: what is missing, where something is. */
static bool way_is_there(const struct choice *choice, const struct hook_way *way,
			 const struct bpf_object *object, char *reason, size_t size)
{
	if (!need_is_met(choice, way))
		return false;
	for (int i = 0; i < HOOK_PROGRAMS_MAX && way->programs[i]; i++) {
		const struct bpf_program *program =
			bpf_object__find_program_by_name(object, way->programs[i]);
		const char *section = program ? bpf_program__section_name(program) : NULL;

		if (section && functions_has(choice->functions, section))
			continue;
		snprintf(reason, size, "this kernel has no %s",
			 section ? strchr(section, '/') + 1 : way->programs[i]);
		return false;
	}
	return true;
}

static const struct hook_way *way_of(const struct choice *choice, enum fact which)
{
	const struct kernel_fact *fact = &choice->facts[which];

	return &hooks[which].ways[fact->backend][fact->way];
}

/* Past the last way of the last backend that may be used the fact does not work. */
static void advance(struct choice *choice, enum fact which)
{
	struct kernel_fact *fact = &choice->facts[which];

	if (fact->way + 1 < HOOK_WAYS_MAX && hooks[which].ways[fact->backend][fact->way + 1].programs[0]) {
		fact->way++;
		return;
	}
	fact->way = 0;
	if (choice->is_fixed || fact->backend == BACKEND_TRACEPOINT)
		fact->works = false;
	else {
		fact->backend++;
		fact->fell_back = true;
	}
}

void choice_refuse(struct choice *choice, enum fact which, const char *reason)
{
	struct kernel_fact *fact = &choice->facts[which];
	size_t length = strlen(fact->reason);
	char why[160];

	/* Two ways often lack the same. */
	snprintf(why, sizeof(why), "%s: %s", backend_name(fact->backend), reason);
	if (reason[0] && !strstr(fact->reason, why))
		snprintf(fact->reason + length, sizeof(fact->reason) - length, "%s%s", length ? "; " : "", why);
	advance(choice, which);
}

/* io_uring passes the functions of fentry and kprobe; only what the tracepoints of system calls report
 * needs those of io_uring too. */
static void settle_io_uring(struct choice *choice)
{
	struct kernel_fact *fact = &choice->facts[FACT_IO_URING];

	if (!choice->is_fixed && (choice_is_by(choice, FACT_BIND, BACKEND_TRACEPOINT) ||
				  choice_is_by(choice, FACT_LISTEN, BACKEND_TRACEPOINT) ||
				  choice_is_by(choice, FACT_CONNECT_RESULT, BACKEND_TRACEPOINT)))
		fact->backend = BACKEND_TRACEPOINT;
}

/* A search is told with the bind or connect that it was for, in a program that may ask who runs. */
static void settle_search(struct choice *choice)
{
	struct kernel_fact *fact = &choice->facts[FACT_SEARCH];

	if (fact->backend == BACKEND_TRACEPOINT || choice->is_fixed ||
	    (!choice_is_by(choice, FACT_BIND, BACKEND_TRACEPOINT) &&
	     !choice_is_by(choice, FACT_CONNECT, BACKEND_TRACEPOINT)))
		return;
	while (fact->backend != BACKEND_TRACEPOINT)
		choice_refuse(choice, FACT_SEARCH, "bind or connect is not traced by it");
}

/* It is the returns of system calls that show it: what seccomp refuses does not get to the tracepoint of their
 * entry (syscall_trace_enter()). */
static void settle_seccomp(struct choice *choice)
{
	struct kernel_fact *fact = &choice->facts[FACT_SECCOMP];

	if (!choice_is_by(choice, FACT_BIND, BACKEND_TRACEPOINT))
		return;
	fact->backend = BACKEND_TRACEPOINT;
	if (fact->works && way_of(choice, FACT_BIND)->needs != HOOK_NEEDS_CALL_REGS)
		choice_refuse(choice, FACT_SECCOMP, "this kernel's returns have no arguments (bpf_task_pt_regs(), 5.15)");
}

static void settle(struct choice *choice, enum fact which, const struct bpf_object *object)
{
	struct kernel_fact *fact = &choice->facts[which];

	if (which == FACT_IO_URING)
		settle_io_uring(choice);
	if (which == FACT_SEARCH)
		settle_search(choice);
	if (which == FACT_SECCOMP)
		settle_seccomp(choice);
	while (fact->works) {
		const char *cannot = hooks[which].cannot[fact->backend];
		char reason[100] = "";

		if (cannot) {
			fact->works = false;
			if (!fact->fell_back)
				snprintf(fact->reason, sizeof(fact->reason), "%s", cannot);
			return;
		}
		if (hooks[which].without[fact->backend] || (way_of(choice, which)->programs[0] &&
				way_is_there(choice, way_of(choice, which), object, reason, sizeof(reason))))
			return;
		choice_refuse(choice, which, reason);
	}
}

void choice_settle(struct choice *choice, const struct bpf_object *object)
{
	for (int i = 0; i < FACT_COUNT; i++)
		settle(choice, (enum fact)i, object);
	/* libbpf is about to read its own copy. */
	if (choice->functions)
		functions_rest(choice->functions);
}

const char *choice_program(const struct choice *choice, enum fact which, int index)
{
	if (!choice->facts[which].works || index >= HOOK_PROGRAMS_MAX)
		return NULL;
	return way_of(choice, which)->programs[index];
}

enum fact choice_fact_of(const struct choice *choice, const char *program)
{
	for (int i = 0; i < FACT_COUNT; i++) {
		const char *name;

		for (int j = 0; (name = choice_program(choice, (enum fact)i, j)); j++) {
			if (strcmp(name, program) == 0)
				return (enum fact)i;
		}
	}
	return FACT_COUNT;
}

bool choice_is_by(const struct choice *choice, enum fact which, enum backend backend)
{
	const struct kernel_fact *fact = &choice->facts[which];

	return fact->works && fact->backend == backend && way_of(choice, which)->programs[0];
}

bool choice_misses(const struct kernel_fact *facts, enum fact which)
{
	const struct kernel_fact *fact = &facts[which];

	return fact->wanted && !fact->works && (fact->fell_back || !hooks[which].cannot[fact->backend]);
}

bool choice_shows_nothing(const struct choice *choice)
{
	static const enum fact shown[] = {FACT_BIND, FACT_LISTEN, FACT_CONNECT, FACT_CONNECT_RESULT,
					  FACT_IMPLICIT_BIND, FACT_ACCEPT, FACT_CLOSE};

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (choice->facts[shown[i]].works)
			return false;
	return true;
}

static void examine(struct choice *choice, enum fact which, enum backend backend,
		    const struct bpf_object *object)
{
	char *lacks = choice->facts[which].lacks[backend];
	const struct hook *hook = &hooks[which];

	if (hook->without[backend] || hook->cannot[backend]) {
		snprintf(lacks, CHOICE_LACKS_SIZE, "%s", hook->cannot[backend] ? hook->cannot[backend] : "");
		return;
	}
	for (int i = 0; i < HOOK_WAYS_MAX && hook->ways[backend][i].programs[0]; i++) {
		char reason[CHOICE_LACKS_SIZE] = "this kernel has no helper for it";

		if (way_is_there(choice, &hook->ways[backend][i], object, reason, sizeof(reason))) {
			lacks[0] = '\0';
			return;
		}
		if (!lacks[0]) /* of the best way */
			memcpy(lacks, reason, sizeof(reason));
	}
}

void choice_examine(struct choice *choice, const struct bpf_object *object)
{
	for (int i = 0; i < FACT_COUNT; i++)
		for (int j = 0; j < BACKEND_COUNT; j++)
			examine(choice, (enum fact)i, (enum backend)j, object);
	functions_rest(choice->functions);
}
