/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Folds equal events of a program, whatever its pid. A refusal is shown once; its repeats are reported as a count. Of
 * other events three a second are shown and the rest is a count. Both counts are reported after a second, and then at
 * longer and longer distances while events go on. An entry that is evicted is reported first, so no count is lost.
 */
#ifndef PORTTRACE_RENDER_FOLD_H
#define PORTTRACE_RENDER_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "render/renderer.h"

#define FOLD_SLOTS	 128
#define FOLD_PASS	 3		  /* events a second that are shown */
#define FOLD_FIRST_NS	 1000000000ULL	  /* distance of the first report */
#define FOLD_LAST_NS	 10000000000ULL	  /* the largest distance */
#define FOLD_REPEATS_NS	 60000000000ULL	  /* the same for refusals */
#define FOLD_FORGET_NS	 600000000000ULL  /* a refusal that did not come for so long is explained again */

/* Events with equal keys fold. No padding: keys are hashed and compared as bytes. */
struct fold_key {
	uint8_t local_addr[16], remote_addr[16];
	char comm[16];
	uint64_t cause;	      /* of a refusal: the address of its static name; 0: none */
	uint64_t holder;      /* cookie of the first socket that holds the port */
	uint32_t netns;
	uint32_t error;
	uint32_t flags;	      /* WIRE_V6ONLY, WIRE_ACCEPTED */
	uint16_t event;
	uint16_t protocol;
	uint16_t local_port;  /* 0 where the kernel chose it */
	uint16_t remote_port; /* 0 for accepted connections, where it differs each time */
	uint32_t reserved;
};

struct fold_entry {
	struct fold_key key;
	uint64_t start_boot_ns; /* of the count */
	uint64_t due_boot_ns;	/* when the count is reported */
	uint64_t distance_ns;	/* to the report after that */
	uint64_t last_boot_ns;	/* of the newest event */
	uint64_t count;		/* folded and not yet reported */
	uint32_t pid_low, pid_high; /* of those; 0: not known */
	uint32_t passed;	/* shown since start_boot_ns; 0: the slot is free */
};

/* Reports entry->count events. */
typedef void (*fold_fn)(void *context, const struct fold_entry *entry, uint64_t end_boot_ns);

struct fold {
	fold_fn ended;
	void *context;
	uint64_t hashes[FOLD_SLOTS]; /* not in the entries, so that a search touches few cache lines */
	struct fold_entry entries[FOLD_SLOTS];
};

void fold_init(struct fold *fold, fold_fn ended, void *context);
/* true: show the event. false: it was folded. */
bool fold_admit(struct fold *fold, const struct report *report);
/* Reports the counts that are due at now_boot_ns. */
void fold_advance(struct fold *fold, uint64_t now_boot_ns);
/* Reports all counts. */
void fold_end(struct fold *fold, uint64_t now_boot_ns);

#endif
