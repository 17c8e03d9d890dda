/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `porttrace why`: predicts what bind() would return now, from the sockets on the port and the kernel's
 * rules, and explains it. It does not call bind().
 */
#ifndef PORTTRACE_WHY_WHY_H
#define PORTTRACE_WHY_WHY_H

#include <stdbool.h>
#include <stdint.h>

#include "render/render.h"
#include "why/config.h"

struct why_question;

enum why_status {
	WHY_ANSWERED,
	WHY_FAILED,
	WHY_MISUSED,	 /* no such process or network namespace */
	WHY_NOT_ALLOWED, /* not allowed by this kernel or these privileges */
};

/* Borrows `config`. NULL with errno ENOMEM. */
struct why_question *why_question_new(const struct why_config *config);
/* Accepts NULL. */
void why_question_free(struct why_question *question);

/* The errno that bind() would return, 0 if it would succeed. */
struct why_answer {
	uint32_t error;		       /* with the options given */
	uint32_t error_with_reuseaddr; /* with SO_REUSEADDR too, which nearly every server sets */
	/* The options of a holder decide and are not known: bind() may succeed all the same. */
	bool is_uncertain, is_uncertain_with_reuseaddr;
};

/* WHY_ANSWERED: *answer is filled in. */
enum why_status why_question_answer(struct why_question *question, struct why_answer *answer);
/* After a failure: what failed and why, in one line. */
const char *why_question_reason(const struct why_question *question);

/* After an answer: what it could not take into account, in SOURCE_LIMITS_SIZE bytes; "": nothing. */
void why_question_limits(const struct why_question *question, char *limits);

/* Prints the answer and its explanation. 0 or -errno. */
int why_report_print(struct why_question *question, const struct why_answer *answer, const struct renderer *renderer,
		     const struct render_options *options);

#endif
