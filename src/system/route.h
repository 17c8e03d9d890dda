/* SPDX-License-Identifier: GPL-2.0-only */
/* The route that a connect() of this thread's network namespace would take: RTM_GETROUTE. Nothing is sent. */
#ifndef PORTTRACE_SYSTEM_ROUTE_H
#define PORTTRACE_SYSTEM_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

struct route {
	uint32_t error;	    /* the errno of connect() for want of a route; 0: there is one */
	bool is_local;	    /* the address is one of this namespace */
	uint32_t ifindex;   /* the device; 0: not known */
	uint8_t source[16]; /* the local address that the kernel would choose; zero: not known */
};

/* ifindex: the device that the socket is bound to; 0: none. IPv4 addresses are mapped. */
void route_find(const uint8_t address[16], uint32_t ifindex, struct route *route);

#endif
