/* SPDX-License-Identifier: GPL-2.0-only */
/* The state of one question of `porttrace why`, shared by the files of why/. */
#ifndef PORTTRACE_WHY_QUESTION_H
#define PORTTRACE_WHY_QUESTION_H

#include <stddef.h>
#include <stdint.h>

#include "diagnose/diagnose.h"
#include "model/model.h"
#include "porttrace/bucket_dump.h"
#include "stream/lookup.h"
#include "stream/netns_entry.h"
#include "system/netns.h"
#include "why/bind_environment.h"
#include "why/caller.h"
#include "why/config.h"
#include "why/holders.h"
#include "why/why.h"

struct why_question {
	const struct why_config *config;
	struct why_caller caller;
	struct bind_environment environment;
	struct claim claim;
	struct netns_list *namespaces;
	struct netns_entry_command entry; /* of the claim's network namespace */
	struct lookup lookup;	   /* source, and the model of the sockets found */
	struct why_holders holders;
	struct pool pool;
	struct bucket_dump dump;   /* dump.done: the kernel's tables were dumped */
	struct bucket bucket;	   /* valid with dump.has_bucket */
	struct wire_socket *chain; /* the sockets of the dump, in the kernel's order */
	size_t chain_count, chain_max;
	size_t unreferenced_count; /* sockets on the port that no process has open, without connections */
	uint64_t boot_ns;	   /* when the scan ended */
	char reason[256];	   /* of a failure */
};

/* scan.c: opens the source for the config. */
enum why_status why_scan_open(struct why_question *question);
/*
 * Fills the model, the chain and question->environment. For a port: its sockets in every network namespace.
 * For port 0: all sockets of the range in the caller's namespace, without their processes.
 */
enum why_status why_scan(struct why_question *question);
/* For port 0: scans the range again, with processes. */
enum why_status why_scan_range_owners(struct why_question *question);
/*
 * Call after why_scan(), with question->claim. Removes sockets that cannot conflict with the caller because
 * they are in a VRF with its own ports.
 */
void why_scan_drop_unmet(struct why_question *question);
/* Add sockets without a process to the model and count them: from the dump, or by sock_diag. */
void why_scan_unreferenced(struct why_question *question);
void why_scan_inactive(struct why_question *question);

#endif
