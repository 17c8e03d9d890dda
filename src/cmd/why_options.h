/* SPDX-License-Identifier: GPL-2.0-only */
/* The question of `porttrace why` on the command line. */
#ifndef PORTTRACE_CMD_WHY_OPTIONS_H
#define PORTTRACE_CMD_WHY_OPTIONS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "cmd/options.h"

struct why_options {
	struct settings_numbers netns; /* --netns: none or one */
	struct output_config output;
	uint16_t protocol;	  /* IPPROTO_ */
	uint16_t family;	  /* 0: not given; then every address, of IPv6 too if the namespace has it */
	uint8_t address[16];
	char device[IF_NAMESIZE]; /* --device, or of [fe80::1%eth0]; "": none */
	uint16_t port;
	uint32_t flags;		  /* WIRE_REUSEADDR, _REUSEPORT, _V6ONLY, _FREEBIND */
	uint32_t pid;		  /* --pid; 0: none */
	uint32_t uid;		  /* --uid */
	bool has_uid;
	bool connect;		  /* --connect: the question is about a connect() to address and port */
	bool no_reuseaddr;	  /* --no-reuseaddr: the exit status is that of a bind without it */
};

/* Errors, --help and --version end the process here (2, 0, 0). */
void why_options_parse(struct why_options *options, int argc, char **argv);

#endif
