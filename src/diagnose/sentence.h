/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts that sentences are made of. A phrase is returned by value, so that it can stand where
 * the sentence needs it: sentence_append(out, "%s listens on %s.", the_holder(f).s, holder_end(f).s).
 */
#ifndef PORTTRACE_DIAGNOSE_SENTENCE_H
#define PORTTRACE_DIAGNOSE_SENTENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnose/cause.h"

struct phrase {
	char s[192];
};

/* Appends to `out`, which has SENTENCE_SIZE bytes. What does not fit is cut between characters. */
void sentence_append(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "nginx (812)"; "nginx (812, and 2 more processes)"; "an unknown process" */
struct phrase the_holder(const struct finding *f);
/* "nginx (812)" alone, even when others have the socket too */
struct phrase holder_name(const struct finding *f);
/* "node (977)", "the caller" */
struct phrase the_caller(const struct finding *f);
struct phrase task_name(const struct wire_task *task);
/* The process to name first for a holder: who took the port, if it still has it. pid 0: unknown. */
const struct wire_task *holder_task(const struct holder *holder);
/* The caller is the only one that has the holder open. */
bool is_own_socket(const struct finding *f);

/* "*:80", "10.0.0.5:80", with "UDP " before it when `sock` is one of UDP's */
struct phrase holder_end(const struct finding *f);
struct phrase holder_peer(const struct finding *f);
struct phrase cgroup_seen_end(const struct finding *f);
struct phrase cgroup_seen_peer(const struct finding *f);
struct phrase end_of(const uint8_t addr[16], uint16_t port);
struct phrase address_of(const uint8_t addr[16]);

/* "28,232" */
struct phrase amount(uint64_t n);
/* "42 more seconds"; 0 is not known: "up to 60 more seconds" */
struct phrase time_left(uint32_t ms);
/* " 2.9 s ago", " 3 min ago"; "" when not known */
struct phrase taken_ago(const struct finding *f);

/* "nginx.service", "container 0123456789ab", else "nginx (812)": what to tell a user to stop */
struct phrase unit_of_holder(const struct finding *f);
/* "stop nginx.service", and other ways to make the holder let go. Begins in lower case. */
struct phrase stop_holder(const struct finding *f);
/* What /proc says of a process; NULL: nothing. */
const struct process *process_of(const struct finding *f, const struct wire_task *task);
/* A text from a process, safe to show. */
struct phrase quoted(const char *bytes);

#endif
