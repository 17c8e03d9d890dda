/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts the ports in use in one network namespace, from the kernel's own tables (bpf/port_usage.bpf.c). */
#ifndef PORTTRACE_SOURCE_PORT_USAGE_H
#define PORTTRACE_SOURCE_PORT_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/port_usage.h"
#include "porttrace/wire.h"
#include "probe/kernel.h"

struct port_usage_reader;

/* `kernel` is borrowed. NULL with errno; ENOTSUP: ports cannot be counted on this kernel. */
struct port_usage_reader *port_usage_reader_new(struct kernel *kernel);
void port_usage_reader_free(struct port_usage_reader *reader);

#define PORT_USAGE_POOLS_MAX     24
#define PORT_USAGE_LISTENERS_MAX 32

/* Valid until the next port_usage_read(). */
struct port_usage_result {
	uint32_t tcp_in_use, udp_in_use, tcp_bound; /* ports of the ephemeral range */
	uint32_t timewait_ephemeral;		    /* TIME_WAITs on ports that the kernel selected */
	/* The pools with most ports in use, complete events. */
	struct wire_pool pools[PORT_USAGE_POOLS_MAX];
	size_t pool_count;
	/* Listeners that bind() put on a port of the range which is not reserved; task is filled in if
	 * known. */
	struct wire_socket listeners[PORT_USAGE_LISTENERS_MAX];
	size_t listener_count;
	uint64_t end_boot_ns;
	uint64_t took_ns; /* of CPU time */
};

/*
 * Counts in the namespace that this thread is in. `busy`: an address pair whose pool is returned however few ports of it
 * are in use; NULL: none. `netns` and `reserved` are what netns_read() returned
 * there. 0, -ENODATA: the port range is not known, or -errno; the result is then incomplete.
 */
int port_usage_read(struct port_usage_reader *reader, const struct wire_netns *netns, const uint8_t *reserved,
		    const struct port_usage_key *busy, const struct port_usage_result **result);

#endif
