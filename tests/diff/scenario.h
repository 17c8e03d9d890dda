/* SPDX-License-Identifier: GPL-2.0-only */
/* A scenario: operations on a few sockets of one port, made from a seed and a number. */
#ifndef PORTTRACE_TESTS_DIFF_SCENARIO_H
#define PORTTRACE_TESTS_DIFF_SCENARIO_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SOCKETS	     5
#define OPS	     40
#define KINDS	     3 /* of protocols, of uids */
#define DEVICES	     3
#define DEVICE_HOLE  2 /* of devices[]: its packets get no answer */

extern const uint16_t protocols[KINDS];
extern const uid_t uids[KINDS];
extern const char *const devices[DEVICES];

enum op_kind {
	OP_SOCKET,     /* what: protocol, value: family, uid, how: 1 fchown, 0 seteuid */
	OP_OPTION,     /* what: enum sock_option, value */
	OP_DEVICE,     /* value: index of devices[] */
	OP_OWNER,      /* uid: fchown() */
	OP_BIND,       /* value: address, uid: of the process, how: 1 with TCP_REPAIR */
	OP_LISTEN,
	OP_CONNECT,    /* value: random */
	OP_INCOMING,   /* value: random, how: 1 accept, uid: of the accepting process */
	OP_PEER_CLOSE,
	OP_PEER_RESET,
	OP_SHUTDOWN,
	OP_DISCONNECT, /* connect(AF_UNSPEC) */
	OP_CLOSE,
	OP_RESET,      /* close() with SO_LINGER 0 */
	OP_KINDS,
};

enum sock_option { OPTION_REUSEADDR, OPTION_REUSEPORT, OPTION_V6ONLY, OPTION_PROG, OPTION_KINDS };

struct op {
	uint8_t kind, slot, what, value, uid, how;
};

struct scenario {
	struct op ops[OPS];
	size_t count;
	unsigned int draw;  /* random, for the choice of a remedy */
	bool is_privileged; /* the port */
};

void scenario_make(struct scenario *s, uint64_t seed, uint64_t number);
/* The address of an OP_BIND. */
const char *bind_address(const struct op *op, int family);
void op_print(const struct op *op, int family);

#endif
