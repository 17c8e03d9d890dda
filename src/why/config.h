/* SPDX-License-Identifier: GPL-2.0-only */
/* The bind() whose result `porttrace why` predicts. cmd/why.c fills it in from the command line. */
#ifndef PORTTRACE_WHY_CONFIG_H
#define PORTTRACE_WHY_CONFIG_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct why_config {
	uint32_t netns;		  /* used with has_netns; else the caller's */
	uint32_t flags;		  /* WIRE_REUSEADDR, _REUSEPORT, _V6ONLY, _FREEBIND */
	uint32_t pid;		  /* of the caller; 0: no specific process */
	uint32_t uid;		  /* used with has_uid; else the caller's */
	uint16_t protocol;	  /* IPPROTO_ */
	uint16_t family;	  /* 0: not given; then every address, of IPv6 too if the namespace has it */
	uint16_t port;		  /* 0: any port of the ephemeral range */
	bool has_netns, has_uid;
	bool verbose;		  /* also print libbpf messages */
	uint8_t address[16];
	char device[IF_NAMESIZE]; /* of the socket, or of [fe80::1%eth0]; "": none */
};

#endif
