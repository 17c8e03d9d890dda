/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The running kernel without BPF: sock_diag in each network namespace that may be entered, and /proc. It finds the sockets
 * that exist, and has no events: of source_ops it lacks fd, drain, report_interval, find_fds, read_counters and lost.
 */
#ifndef PORTTRACE_SOURCE_SOCK_DIAG_H
#define PORTTRACE_SOURCE_SOCK_DIAG_H

#include "porttrace/settings.h"
#include "source/source.h"

/* Borrows `settings`, the filters. reason: why BPF cannot be used, for limits(). NULL with errno. */
struct source *sock_diag_open(const struct settings *settings, const char *reason);

#endif
