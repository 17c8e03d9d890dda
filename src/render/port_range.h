/* SPDX-License-Identifier: GPL-2.0-only */
/* The port ranges of IANA (RFC 6335). The kernel does not use them. */
#ifndef PORTTRACE_RENDER_PORT_RANGE_H
#define PORTTRACE_RENDER_PORT_RANGE_H

#include <stdint.h>

/* "well-known" up to 1023, "registered" up to 49151, "dynamic" beyond */
static inline const char *port_range_name(uint16_t port)
{
	if (port < 1024)
		return "well-known";
	return port < 49152 ? "registered" : "dynamic";
}

#endif
