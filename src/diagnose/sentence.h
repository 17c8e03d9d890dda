/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the sentences. Names, addresses and numbers are returned by value, so that a call can be an
 * argument: sentence_append(out, "%s listens on %s.", the_holder(f).s, holder_endpoint(f).s).
 */
#ifndef PORTTRACE_DIAGNOSE_SENTENCE_H
#define PORTTRACE_DIAGNOSE_SENTENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "diagnose/cause.h"

struct phrase {
	char s[192];
};

/* Appends to `out`, which has SENTENCE_SIZE bytes. Text that does not fit is cut at a character boundary. */
void sentence_append(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "nginx[812]"; "nginx[812] (with 2 more processes)"; "an unknown process" */
struct phrase the_holder(const struct finding *f);
/* "nginx[812]", even when other processes have the socket open too */
struct phrase holder_name(const struct finding *f);
/* "node[977]", "the caller" */
struct phrase the_caller(const struct finding *f);
/* "nginx[host pid 812]": outside the pid namespace that porttrace runs in */
struct phrase task_name(const struct wire_task *task);
/* The process to name for a holder: the one that took the port, if it still has it open. pid 0: unknown. */
const struct wire_task *holder_task(const struct holder *holder);

/* "*:80", "10.0.0.5:80", with "UDP " before it for a UDP socket */
struct phrase holder_endpoint(const struct finding *f);
struct phrase holder_peer(const struct finding *f);
struct phrase claim_endpoint(const struct finding *f);
struct phrase claim_peer(const struct finding *f);
struct phrase endpoint(const uint8_t addr[16], uint16_t port);
struct phrase address_text(const uint8_t addr[16]);

/* "28,232" */
struct phrase with_commas(uint64_t n);
/* "42 more seconds"; for 0, which means unknown: "up to 65 more seconds" */
struct phrase time_left(uint32_t ms);
/* "90 ms", "2.9 s", "3 min", "5 h", "12 days" */
struct phrase duration_text(uint64_t ns);
/* " 2.9 s ago", " 3 min ago"; "" when unknown */
struct phrase bound_ago(const struct finding *f);
/* The same for any time. */
struct phrase time_ago(const struct finding *f, uint64_t boot_ns);

/* As ss prints it: "10.0.0.5:80", and of a wildcard "0.0.0.0:80", "[::]:80", "*:80" for both */
struct phrase bound_endpoint(const struct wire_sock *sock);
/* sentence_connect.c: the last socket to which the connection could have gone, or the nearest to that; NULL: none is known. */
const struct closed_server *server_that_closed(const struct finding *f);
/* The holder accepts the connection now, and took its port after that began. */
bool server_started_later(const struct finding *f);

/* Borrowed from the model; NULL: unknown. */
const struct process *process_of(const struct finding *f, const struct wire_task *task);
/* Whether this pid is the parent of the process, or one above it, as far as they are known. */
bool task_has_parent(const struct finding *f, const struct wire_task *task, uint32_t pid);
/* "user www-data", and where the name of the user is not known "uid 33". task: a process that may be that user's. */
struct phrase user_phrase(const struct finding *f, uint32_t uid, const struct wire_task *task);
/* A text from a process, escaped for a terminal. */
struct phrase escaped(const char *bytes);

#endif
