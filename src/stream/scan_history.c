/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/scan_history.h"

void scan_history_add(struct scan_history *history, const uint64_t *cookies, size_t count, uint64_t now_boot_ns)
{
	for (size_t i = 0; i < count; i++) {
		history->sockets[history->next_socket].cookie = cookies[i];
		history->sockets[history->next_socket].boot_ns = now_boot_ns;
		history->next_socket = (history->next_socket + 1) % HISTORY_SOCKETS;
	}
}

void scan_history_add_caller(struct scan_history *history, uint32_t pid, uint64_t now_boot_ns)
{
	history->callers[history->next_caller].pid = pid;
	history->callers[history->next_caller].boot_ns = now_boot_ns;
	history->next_caller = (history->next_caller + 1) % HISTORY_CALLERS;
}

static bool has_socket(const struct scan_history *history, uint64_t cookie, uint64_t since_boot_ns)
{
	for (size_t i = 0; i < HISTORY_SOCKETS; i++) {
		if (history->sockets[i].cookie == cookie && history->sockets[i].boot_ns >= since_boot_ns)
			return true;
	}
	return false;
}

bool scan_history_has(const struct scan_history *history, const uint64_t *cookies, size_t count,
		      uint64_t since_boot_ns)
{
	for (size_t i = 0; i < count; i++) {
		if (!has_socket(history, cookies[i], since_boot_ns))
			return false;
	}
	return true;
}

bool scan_history_has_caller(const struct scan_history *history, uint32_t pid, uint64_t since_boot_ns)
{
	for (size_t i = 0; i < HISTORY_CALLERS; i++) {
		if (history->callers[i].pid == pid && history->callers[i].boot_ns > since_boot_ns)
			return true;
	}
	return false;
}
