/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Folds equal events: the first three of each second pass, the others are counted and reported as one line at the
 * end of the second. The table has 64 slots; before an entry is evicted, it is reported.
 */
#ifndef PORTTRACE_RENDER_FOLD_H
#define PORTTRACE_RENDER_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "render/renderer.h"

#define FOLD_SLOTS     64
#define FOLD_PASS      3
#define FOLD_WINDOW_NS 1000000000ULL

/* Events with equal keys fold. No padding: keys are hashed and compared as bytes. */
struct fold_key {
	uint8_t local_addr[16], remote_addr[16];
	uint32_t netns;
	uint32_t pid;
	uint32_t error;
	uint16_t event;
	uint16_t protocol;
	uint16_t local_port;  /* 0 where the kernel chose it */
	uint16_t remote_port; /* 0 for accepted connections, where it differs each time */
	uint32_t reserved;
};

struct fold_entry {
	struct fold_key key;
	uint64_t start_boot_ns;
	uint64_t count; /* 0: the slot is free */
	char comm[16];
};

/* Called at the end of a window in which events were folded: count - FOLD_PASS of them. */
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
/* Ends the windows that are over at now_boot_ns. */
void fold_advance(struct fold *fold, uint64_t now_boot_ns);
/* Ends all windows. */
void fold_end(struct fold *fold, uint64_t now_boot_ns);

#endif
