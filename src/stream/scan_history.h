/* SPDX-License-Identifier: GPL-2.0-only */
/* The times when the descriptors of a socket were last scanned, and when a caller's refusal last caused a
 * scan. */
#ifndef PORTTRACE_STREAM_SCAN_HISTORY_H
#define PORTTRACE_STREAM_SCAN_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTORY_SOCKETS 512
#define HISTORY_CALLERS 64

/* Two rings: a new entry replaces the oldest. Begins zeroed. */
struct scan_history {
	struct {
		uint64_t cookie, boot_ns;
	} sockets[HISTORY_SOCKETS];
	size_t next_socket;
	struct {
		uint32_t pid;
		uint64_t boot_ns;
	} callers[HISTORY_CALLERS];
	size_t next_caller;
	uint64_t end_boot_ns, took_ns; /* of the last scan */
};

void scan_history_add(struct scan_history *history, const uint64_t *cookies, size_t count, uint64_t now_boot_ns);
void scan_history_add_caller(struct scan_history *history, uint32_t pid, uint64_t now_boot_ns);
/* Whether all of these sockets were scanned at or after that time. */
bool scan_history_has(const struct scan_history *history, const uint64_t *cookies, size_t count,
		      uint64_t since_boot_ns);
bool scan_history_has_caller(const struct scan_history *history, uint32_t pid, uint64_t since_boot_ns);

#endif
