/* SPDX-License-Identifier: GPL-2.0-only */
/* How often the same program was refused the same port lately. Keeps the 64 programs and ports that failed last. */
#ifndef PORTTRACE_MODEL_REPEAT_TABLE_H
#define PORTTRACE_MODEL_REPEAT_TABLE_H

#include <stdint.h>

#include "porttrace/wire.h"

#define REPEATS_MAX	64
#define REPEAT_PAUSE_NS 600000000000ULL /* a failure after a longer pause is the first one again */

/* A program is known by its name and user: a new process of it has another pid. */
struct repeat {
	char comm[16];
	uint32_t uid, netns, error;
	uint16_t protocol, port;
	uint64_t count;
	uint64_t processes;		/* that failed one after the other */
	uint64_t first_boot_ns, last_boot_ns; /* last 0: free */
	uint64_t last_start_boot_ns;	/* of the process that failed last, with last_pid */
	uint32_t last_pid;
};

struct repeat_table {
	struct repeat repeats[REPEATS_MAX];
};

/* Counts a failed call. A call that was counted already (same time, same process) changes nothing. */
void repeat_table_add(struct repeat_table *table, const struct wire_sock *sock, const struct wire_task *task,
		      uint32_t error, uint64_t boot_ns);
/* NULL: none lately. Borrowed until the next add. */
const struct repeat *repeat_table_find(const struct repeat_table *table, const struct wire_sock *sock,
				       const struct wire_task *task, uint32_t error);

#endif
