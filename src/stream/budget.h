/* SPDX-License-Identifier: GPL-2.0-only */
/* A token bucket that limits lookups to half of the time. */
#ifndef PORTTRACE_STREAM_BUDGET_H
#define PORTTRACE_STREAM_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* The most time that is saved while there are no lookups, because refusals come in bursts; also the largest
 * debt. */
#define BUDGET_MAX_NS 200000000LL

/* Begins zeroed, and full at the first call. */
struct budget {
	int64_t left_ns; /* below 0: debt */
	uint64_t filled_boot_ns;
};

/* Adds half of the time since the last call; true when a lookup may start. `now_boot_ns` never decreases. */
bool budget_available(struct budget *budget, uint64_t now_boot_ns);
/* Subtracts the duration of a lookup. */
void budget_charge(struct budget *budget, uint64_t took_ns);

#endif
