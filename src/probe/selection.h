/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Selects the backend and the set of programs for each fact: the best that this kernel has, or the next best
 * if the kernel refuses it. kernel.c loads and attaches the selection and reports refusals to it.
 */
#ifndef PORTTRACE_PROBE_SELECTION_H
#define PORTTRACE_PROBE_SELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "probe/features.h"
#include "probe/hooks.h"

struct bpf_object;
struct functions;

#define PROBE_LACKS_SIZE 96

/* How one fact is reported. */
struct kernel_fact {
	bool wanted, works;
	enum backend backend; /* the backend that reports it, if it works */
	int set;	      /* index in hooks[].sets[backend]; a fact with covered_by has no programs */
	bool fell_back;	      /* a better backend was refused; if the fact does not work: every backend */
	char reason[320];     /* why each better set of programs was not used, with its backend; "": none is better */
	char lacks[BACKEND_COUNT][PROBE_LACKS_SIZE]; /* by selection_examine() */
};

struct selection {
	struct kernel_fact facts[FACT_COUNT];
	bool is_fixed; /* --probes= named the backend */
	struct probe_features features;
	struct functions *functions;
};

/* facts: bit per enum fact; 0: only snapshots. backend: enum backend, or -1: the best that works. 0 or -errno:
 * -ENOTSUP the kernel has no BTF, -ENOMEM. */
int selection_init(struct selection *selection, uint32_t facts, int backend);
/* Without facts, after a load with guessed features failed: tries the features. 0 or -errno as above. */
int selection_probe(struct selection *selection);
void selection_done(struct selection *selection);

/* Selects for each fact the first set of programs, from its current one on, whose functions this kernel has.
 * `object` is open, not yet loaded. */
void probe_select(struct selection *selection, const struct bpf_object *object);

/* The kernel refused the current set of a fact: moves on to the next set or backend; after the last, the fact
 * does not work. reason: for the user; "": the set does not exist. */
void probe_fallback(struct selection *selection, enum fact fact, const char *reason);

/* The name of a program of the current set of a fact; NULL past the last. */
const char *selection_program(const struct selection *selection, enum fact fact, int index);

/* The fact that a selected program reports; FACT_COUNT: none. */
enum fact selection_fact_of(const struct selection *selection, const char *program);

/* Whether this backend reports the fact, with programs for it. */
bool selection_is_by(const struct selection *selection, enum fact fact, enum backend backend);

/* Fills kernel_fact.lacks: the function that each fact lacks on each backend; "": none. features_backend()
 * finds whether the kernel allows the backend. Slow: about 100 searches of BTF. */
void selection_examine(struct selection *selection, const struct bpf_object *object);

/* Whether a wanted fact does not work because of this kernel or these privileges, not because its backend
 * never reports it (hooks[].unsupported_why). */
bool probe_unavailable(const struct kernel_fact *facts, enum fact which);

/* Whether no fact that has events works: then a trace would show nothing. */
bool selection_is_empty(const struct selection *selection);

#endif
