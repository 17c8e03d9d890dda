/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which backend reports each fact, and in which way: the best that this kernel has, and the next best when
 * it refuses that. kernel.c loads and attaches what is chosen here, and says what was refused.
 */
#ifndef PORTTRACE_PROBE_CHOICE_H
#define PORTTRACE_PROBE_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "probe/hooks.h"

struct bpf_object;
struct functions;

#define CHOICE_LACKS_SIZE 96

/* How it went with one fact. */
struct kernel_fact {
	bool wanted, works;
	enum backend backend; /* where it works */
	int way;	      /* hooks[].ways[backend][way]; its programs may be none (hooks[].without) */
	bool fell_back;	      /* a better backend was refused; where it does not work, all were */
	char reason[320];     /* why not, or why not in each better way, by backend; "" else */
	char lacks[BACKEND_COUNT][CHOICE_LACKS_SIZE]; /* by choice_examine() */
};

struct choice {
	struct kernel_fact facts[FACT_COUNT];
	bool is_fixed;	 /* --probes= named the backend */
	bool call_regs;	 /* what the HOOK_NEEDS_ are about */
	bool cookies;
	struct functions *functions; /* NULL: no facts are wanted, and cookies is a guess */
};

/* facts: bit per enum fact. backend: enum backend, or -1: the best that works. 0, or -errno: no BTF. */
int choice_init(struct choice *choice, uint32_t facts, int backend);
void choice_done(struct choice *choice);

/* Takes for each fact the first way, at or after the one that it has, whose programs and functions are
 * there. `object` is open, not yet loaded. */
void choice_settle(struct choice *choice, const struct bpf_object *object);

/* A way was refused: on to the next, or the fact does not work. reason: "" where there is no such way. */
void choice_refuse(struct choice *choice, enum fact fact, const char *reason);

/* The programs of a fact as it is settled; NULL past the last. */
const char *choice_program(const struct choice *choice, enum fact fact, int index);

/* The fact that a program serves; FACT_COUNT: none. */
enum fact choice_fact_of(const struct choice *choice, const char *program);

/* Whether a backend reports a fact by programs of its own. */
bool choice_is_by(const struct choice *choice, enum fact fact, enum backend backend);

/* Says of every fact and backend what its functions lack here, "" where nothing; whether the kernel lets the
 * backend be used at all is another question (features_backend()). Slow: some 100 searches of BTF. */
void choice_examine(struct choice *choice, const struct bpf_object *object);

/* The kernel or the privileges lack a fact, which is not just how its backend is (hooks[].cannot). */
bool choice_misses(const struct kernel_fact *facts, enum fact which);

/* No fact works that an event tells: to run would be to wait for nothing. */
bool choice_shows_nothing(const struct choice *choice);

#endif
