/* SPDX-License-Identifier: GPL-2.0-only */
/* Transport protocols by number. */
#ifndef PORTTRACE_UTIL_PROTOCOL_H
#define PORTTRACE_UTIL_PROTOCOL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#ifndef IPPROTO_MPTCP /* glibc 2.32 */
#define IPPROTO_MPTCP 262
#endif

static inline bool protocol_is_udp(uint16_t protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

#endif
