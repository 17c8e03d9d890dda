/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one parser of PORT and TARGET, for every command and option: 80, 8000-8100, http, :80, tcp:80, udp/53, 80/tcp,
 * 127.0.0.1:80, localhost:80, [::1]:80, *:80.
 */
#ifndef PORTTRACE_CMD_TARGET_H
#define PORTTRACE_CMD_TARGET_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct target {
	uint16_t protocol;	/* IPPROTO_; 0: none was given */
	uint16_t family;	/* AF_; 0: none was given */
	uint16_t first, last;	/* ports */
	bool has_address;
	bool is_localhost;	/* by name: 127.0.0.1, and [::1] where several are possible */
	uint8_t address[16];
	char device[IF_NAMESIZE]; /* of [fe80::1%eth0]; "": none */
};

#define TARGET_ERROR_SIZE 256

/* Parses one target, not a list. false: *error says what is wrong. */
bool target_parse(const char *text, struct target *target, char error[TARGET_ERROR_SIZE]);

#endif
