/* SPDX-License-Identifier: GPL-2.0-only */
/* The network namespace in which scenarios run, and helpers for sockets in it. */
#ifndef PORTTRACE_TESTS_DIFF_LAB_H
#define PORTTRACE_TESTS_DIFF_LAB_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "scenario.h"

#define SINKS	  8 /* listeners that clients connect to, each once in a scenario */
#define SINK_PORT 2000
#define SYNC_MS	  200

struct lab {
	int sinks[SINKS];
	uint32_t device[DEVICES];
	unsigned int ports_used, privileged_used;
	unsigned long scenario; /* number of the running one */
	bool has_mptcp;
	bool fast_reuse;    /* the kernel's fastreuse works: before 6.8 */
	bool mapped_any_unseen; /* 6.1 to 6.8: ::ffff:127.0.0.1 does not conflict with ::ffff:0.0.0.0 */
	bool unbind_clears; /* since 6.18: a bucket that only connect() uses has no cached state */
};

extern struct lab lab;

union sockaddr_any {
	struct sockaddr sa;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

/* Enters a new namespace, to leave the TIME_WAITs of the last one behind. */
void lab_renew(void);
/* Tests kernel behaviour that porttrace's input does not contain. */
void lab_probe(void);
void die(const char *what);

socklen_t sockaddr_fill(union sockaddr_any *out, int family, const uint8_t addr[16],
		uint16_t port);
uint16_t local_of(int fd, uint8_t addr[16]);
void wait_for(int fd, short events);
void wait_for_fin(int fd);
void become(uid_t uid);
void set_port_range(int fd, uint16_t low, uint16_t high);
void linger_0(int fd);

#endif
