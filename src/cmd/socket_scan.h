/* SPDX-License-Identifier: GPL-2.0-only */
/* One scan of all sockets into a model, for the commands that list sockets. Says on stderr what it could not see. */
#ifndef PORTTRACE_CMD_SOCKET_SCAN_H
#define PORTTRACE_CMD_SOCKET_SCAN_H

#include <stdint.h>

#include "cmd/options.h"
#include "stream/lookup.h"

struct socket_scan {
	struct lookup lookup; /* its model has the sockets, and its source stays open for lookups */
	uint64_t boot_ns;     /* when the scan ended */
};

/* Returns EXIT_DONE, or another exit status after a message. `settings` must live as long as the scan. The caller calls
 * socket_scan_done() in either case. */
int socket_scan_run(struct socket_scan *scan, const struct settings *settings, const struct output_config *output);
/* EXIT_DONE, or EXIT_LOST after a message: the model had no space for all sockets. */
int socket_scan_status(const struct socket_scan *scan);
void socket_scan_done(struct socket_scan *scan);

#endif
