/* SPDX-License-Identifier: GPL-2.0-only */
/* Compares the table in hooks.c with the functions of this kernel. */
#include "probe/selection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "probe/features.h"
#include "probe/functions.h"

int selection_init(struct selection *selection, uint32_t facts, int backend)
{
	enum backend first = BACKEND_FENTRY;
	char reason[160];

	*selection = (struct selection){.is_fixed = backend >= 0};
	/* A scan alone should not wait until the BTF of the kernel is read: see selection_probe(). */
	if (!facts) {
		features_guess(&selection->features);
		return 0;
	}
	selection->functions = functions_open();
	if (!selection->functions)
		return -errno;
	features_probe(&selection->features, selection->functions, true);
	if (selection->is_fixed)
		first = (enum backend)backend;
	else if (functions_try_fentry(selection->functions, "inet_csk_get_port"))
		first = features_backend(BACKEND_KPROBE, reason, sizeof(reason)) ? BACKEND_KPROBE :
										   BACKEND_TRACEPOINT;
	for (int i = 0; i < FACT_COUNT; i++) {
		selection->facts[i].wanted = selection->facts[i].works = facts & 1U << i;
		selection->facts[i].backend = first;
	}
	return 0;
}

int selection_probe(struct selection *selection)
{
	selection->functions = functions_open();
	if (!selection->functions)
		return -errno;
	features_probe(&selection->features, selection->functions, false);
	functions_free_btf(selection->functions);
	return 0;
}

void selection_done(struct selection *selection)
{
	functions_close(selection->functions);
	selection->functions = NULL;
}

static bool need_is_met(const struct selection *selection, const struct probe_set *set)
{
	switch (set->needs) {
	case PROBE_NEEDS_NOTHING:
		return true;
	case PROBE_NEEDS_CALL_REGS:
		return selection->features.call_regs;
	case PROBE_NEEDS_COOKIES:
		return selection->features.cookies;
	case PROBE_NEEDS_FUNC_RET:
		return selection->features.func_ret;
	}
	return false;
}

/* reason: the missing function; unchanged if a BPF helper is missing. */
static bool set_is_available(const struct selection *selection, const struct probe_set *set,
			 const struct bpf_object *object, char *reason, size_t size)
{
	if (!need_is_met(selection, set))
		return false;
	for (int i = 0; i < PROBE_PROGRAMS_MAX && set->programs[i]; i++) {
		const struct bpf_program *program =
			bpf_object__find_program_by_name(object, set->programs[i]);
		const char *section = program ? bpf_program__section_name(program) : NULL;

		if (section && functions_has(selection->functions, section))
			continue;
		snprintf(reason, size, "this kernel has no %s",
			 section ? strchr(section, '/') + 1 : set->programs[i]);
		return false;
	}
	return true;
}

static const struct probe_set *set_of(const struct selection *selection, enum fact which)
{
	const struct kernel_fact *fact = &selection->facts[which];

	return &hooks[which].sets[fact->backend][fact->set];
}

/* After the last set of the last backend that may be used, the fact does not work. */
static void advance(struct selection *selection, enum fact which)
{
	struct kernel_fact *fact = &selection->facts[which];

	if (fact->set + 1 < PROBE_SETS_MAX && hooks[which].sets[fact->backend][fact->set + 1].programs[0]) {
		fact->set++;
		return;
	}
	fact->set = 0;
	if (selection->is_fixed || fact->backend == BACKEND_TRACEPOINT)
		fact->works = false;
	else {
		fact->backend++;
		fact->fell_back = true;
	}
}

void probe_fallback(struct selection *selection, enum fact which, const char *reason)
{
	struct kernel_fact *fact = &selection->facts[which];
	size_t length = strlen(fact->reason);
	char why[160];

	/* Two sets often lack the same function. */
	snprintf(why, sizeof(why), "%s: %s", backend_name(fact->backend), reason);
	if (reason[0] && !strstr(fact->reason, why))
		snprintf(fact->reason + length, sizeof(fact->reason) - length, "%s%s", length ? "; " : "", why);
	advance(selection, which);
}

/* io_uring requests run the functions that fentry and kprobe programs are on. Only facts reported by system
 * call tracepoints need the io_uring tracepoints as well. */
static void select_io_uring(struct selection *selection)
{
	struct kernel_fact *fact = &selection->facts[FACT_IO_URING];

	if (!selection->is_fixed && (selection_is_by(selection, FACT_BIND, BACKEND_TRACEPOINT) ||
				  selection_is_by(selection, FACT_LISTEN, BACKEND_TRACEPOINT) ||
				  selection_is_by(selection, FACT_CONNECT_RESULT, BACKEND_TRACEPOINT)))
		fact->backend = BACKEND_TRACEPOINT;
}

/* The bind or connect event carries the duration of the search, so the same backend must report both. */
static void select_search(struct selection *selection)
{
	struct kernel_fact *fact = &selection->facts[FACT_SEARCH];

	if (fact->backend == BACKEND_TRACEPOINT || selection->is_fixed ||
	    (!selection_is_by(selection, FACT_BIND, BACKEND_TRACEPOINT) &&
	     !selection_is_by(selection, FACT_CONNECT, BACKEND_TRACEPOINT)))
		return;
	while (fact->backend != BACKEND_TRACEPOINT)
		probe_fallback(selection, FACT_SEARCH, "bind or connect is reported by another backend");
}

/* Only the return of a system call shows a refusal by seccomp: a refused call does not reach the tracepoint
 * of its entry (syscall_trace_enter() in kernel/entry/). */
static void select_seccomp(struct selection *selection)
{
	struct kernel_fact *fact = &selection->facts[FACT_SECCOMP];

	if (!selection_is_by(selection, FACT_BIND, BACKEND_TRACEPOINT))
		return;
	fact->backend = BACKEND_TRACEPOINT;
	if (fact->works && set_of(selection, FACT_BIND)->needs != PROBE_NEEDS_CALL_REGS)
		probe_fallback(selection, FACT_SECCOMP, "the return of a system call has no arguments here (bpf_task_pt_regs(), 5.15)");
}

static void select_fact(struct selection *selection, enum fact which, const struct bpf_object *object)
{
	struct kernel_fact *fact = &selection->facts[which];

	if (which == FACT_IO_URING)
		select_io_uring(selection);
	if (which == FACT_SEARCH)
		select_search(selection);
	if (which == FACT_SECCOMP)
		select_seccomp(selection);
	while (fact->works) {
		const char *unsupported_why = hooks[which].unsupported_why[fact->backend];
		char reason[100] = "";

		if (unsupported_why) {
			fact->works = false;
			if (!fact->fell_back)
				snprintf(fact->reason, sizeof(fact->reason), "%s", unsupported_why);
			return;
		}
		if (hooks[which].covered_by[fact->backend] || (set_of(selection, which)->programs[0] &&
				set_is_available(selection, set_of(selection, which), object, reason, sizeof(reason))))
			return;
		probe_fallback(selection, which, reason);
	}
}

void probe_select(struct selection *selection, const struct bpf_object *object)
{
	for (int i = 0; i < FACT_COUNT; i++)
		select_fact(selection, (enum fact)i, object);
	/* libbpf reads BTF next: two copies at a time would use more memory. */
	functions_free_btf(selection->functions);
}

const char *selection_program(const struct selection *selection, enum fact which, int index)
{
	if (!selection->facts[which].works || index >= PROBE_PROGRAMS_MAX)
		return NULL;
	return set_of(selection, which)->programs[index];
}

enum fact selection_fact_of(const struct selection *selection, const char *program)
{
	for (int i = 0; i < FACT_COUNT; i++) {
		const char *name;

		for (int j = 0; (name = selection_program(selection, (enum fact)i, j)); j++) {
			if (strcmp(name, program) == 0)
				return (enum fact)i;
		}
	}
	return FACT_COUNT;
}

bool selection_is_by(const struct selection *selection, enum fact which, enum backend backend)
{
	const struct kernel_fact *fact = &selection->facts[which];

	return fact->works && fact->backend == backend && set_of(selection, which)->programs[0];
}

bool probe_unavailable(const struct kernel_fact *facts, enum fact which)
{
	const struct kernel_fact *fact = &facts[which];

	return fact->wanted && !fact->works && (fact->fell_back || !hooks[which].unsupported_why[fact->backend]);
}

bool selection_is_empty(const struct selection *selection)
{
	static const enum fact shown[] = {FACT_BIND, FACT_LISTEN, FACT_CONNECT, FACT_CONNECT_RESULT,
					  FACT_IMPLICIT_BIND, FACT_ACCEPT, FACT_CLOSE};

	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		if (selection->facts[shown[i]].works)
			return false;
	return true;
}

static void examine(struct selection *selection, enum fact which, enum backend backend,
		    const struct bpf_object *object)
{
	char *lacks = selection->facts[which].lacks[backend];
	const struct hook *hook = &hooks[which];

	if (hook->covered_by[backend] || hook->unsupported_why[backend]) {
		snprintf(lacks, PROBE_LACKS_SIZE, "%s", hook->unsupported_why[backend] ? hook->unsupported_why[backend] : "");
		return;
	}
	for (int i = 0; i < PROBE_SETS_MAX && hook->sets[backend][i].programs[0]; i++) {
		char reason[PROBE_LACKS_SIZE] = "this kernel lacks a BPF helper";

		if (set_is_available(selection, &hook->sets[backend][i], object, reason, sizeof(reason))) {
			lacks[0] = '\0';
			return;
		}
		if (!lacks[0]) /* of the best set */
			memcpy(lacks, reason, sizeof(reason));
	}
}

void selection_examine(struct selection *selection, const struct bpf_object *object)
{
	for (int i = 0; i < FACT_COUNT; i++)
		for (int j = 0; j < BACKEND_COUNT; j++)
			examine(selection, (enum fact)i, (enum backend)j, object);
	functions_free_btf(selection->functions);
}
