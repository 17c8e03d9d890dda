/* SPDX-License-Identifier: GPL-2.0-only */
/* Makes random scenarios: the same seed and number make the same one. */
#include "scenario.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

const uint16_t protocols[KINDS] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_MPTCP};
const uid_t uids[KINDS] = {0, 1000, 65534};
const char *const devices[DEVICES] = {"", "lo", "v0"};
static const char *const protocol_names[] = {"tcp", "udp", "mptcp"};
static const char *const addresses4[] = {"0.0.0.0", "127.0.0.1", "127.0.0.2", "127.0.0.6"};
static const char *const addresses6[] = {"::",	       "::1",		     "fd00::1",
					 "::ffff:127.0.0.1", "::ffff:127.0.0.2", "::ffff:0.0.0.0"};

static uint64_t chance;

static uint32_t pick(uint32_t n)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (uint32_t)((chance * 0x2545f4914f6cdd1dULL) >> 33) % n;
}

static bool maybe(uint32_t percent)
{
	return pick(100) < percent;
}

static void scenario_add(struct scenario *s, struct op op)
{
	if (s->count < OPS)
		s->ops[s->count++] = op;
}

static void make_option(struct scenario *s, uint8_t slot)
{
	/* The kernel accepts a reuseport program only after SO_REUSEPORT. */
	static const uint8_t weighted[] = {OPTION_REUSEADDR, OPTION_REUSEADDR, OPTION_REUSEPORT,
					   OPTION_REUSEPORT, OPTION_V6ONLY};
	struct op op = {.kind = OP_OPTION, .slot = slot, .value = 1};

	op.what = maybe(4) ? OPTION_PROG : weighted[pick(COUNT(weighted))];
	if (op.what != OPTION_PROG)
		op.value = maybe(80);
	scenario_add(s, op);
}

static void make_bind(struct scenario *s, uint8_t slot)
{
	scenario_add(s, (struct op){.kind = OP_BIND, .slot = slot, .value = (uint8_t)pick(60),
				    .uid = maybe(10) ? (uint8_t)pick(KINDS) : 0,
				    .how = maybe(3)});
}

static void make_socket(struct scenario *s, uint8_t slot, uint8_t protocol)
{
	struct op op = {.kind = OP_SOCKET, .slot = slot, .value = (uint8_t)pick(2), .what = protocol};

	if (maybe(15))
		op.what = (uint8_t)pick(KINDS);
	op.uid = maybe(30) ? (uint8_t)pick(KINDS) : 0;
	op.how = maybe(50);
	scenario_add(s, op);
	for (uint32_t n = pick(4); n; n--)
		make_option(s, slot);
	if (maybe(15))
		scenario_add(s, (struct op){.kind = OP_DEVICE, .slot = slot,
					    .value = (uint8_t)pick(DEVICES)});
	if (maybe(90))
		make_bind(s, slot);
}

static void make_step(struct scenario *s, uint8_t slot)
{
	static const uint8_t weighted[] = {
		OP_OPTION,  OP_OPTION,	OP_DEVICE,     OP_OWNER,      OP_BIND,	   OP_LISTEN,
		OP_LISTEN,  OP_LISTEN,	OP_CONNECT,    OP_CONNECT,    OP_CONNECT,  OP_INCOMING,
		OP_INCOMING, OP_INCOMING, OP_PEER_CLOSE, OP_PEER_CLOSE, OP_PEER_RESET, OP_SHUTDOWN,
		OP_DISCONNECT, OP_CLOSE, OP_CLOSE,     OP_RESET};
	struct op op = {.kind = weighted[pick(COUNT(weighted))], .slot = slot};

	if (op.kind == OP_OPTION) {
		make_option(s, slot);
		return;
	}
	if (op.kind == OP_BIND) {
		make_bind(s, slot);
		return;
	}
	op.value = op.kind == OP_DEVICE ? (uint8_t)pick(DEVICES) : (uint8_t)pick(60);
	op.uid = maybe(30) ? (uint8_t)pick(KINDS) : 0;
	op.how = maybe(70);
	scenario_add(s, op);
}

void scenario_make(struct scenario *s, uint64_t seed, uint64_t number)
{
	uint32_t sockets, made = 0;
	uint8_t protocol;

	chance = (seed + 1) * 0x9e3779b97f4a7c15ULL + (number + 1) * 0xbf58476d1ce4e5b9ULL;
	for (int i = 0; i < 8; i++)
		pick(2);
	memset(s, 0, sizeof(*s));
	sockets = 1 + pick(SOCKETS);
	protocol = maybe(12) ? 2 : (uint8_t)pick(2);
	s->is_privileged = maybe(4);
	while (made < sockets || maybe(65)) {
		if (made < sockets && maybe(45))
			make_socket(s, (uint8_t)made++, protocol);
		else if (made) /* accepted connections come after the sockets */
			make_step(s, (uint8_t)pick(made + (maybe(30) ? 3 : 0)));
		if (s->count >= OPS)
			break;
	}
	/* Drawn last, so that the other parts of a seed's scenarios remain the same. */
	s->draw = 1 + pick(1 << 16);
}

const char *bind_address(const struct op *op, int family)
{
	if (family == AF_INET)
		return addresses4[op->value % COUNT(addresses4)];
	return addresses6[op->value % COUNT(addresses6)];
}

void op_print(const struct op *op, int family)
{
	static const char *const options[] = {"SO_REUSEADDR", "SO_REUSEPORT", "IPV6_V6ONLY",
					      "a reuseport program"};
	static const char *const kinds[] = {
		"socket", "set", "bind to device", "fchown to", "bind", "listen", "connect",
		"connection to", "peer closes", "peer resets", "shutdown", "disconnect", "close",
		"close with a reset"};

	printf("s%u: %s", op->slot, kinds[op->kind]);
	switch ((enum op_kind)op->kind) {
	case OP_SOCKET:
		printf(" %s, %s, uid %u by %s", protocol_names[op->what],
		       op->value % 2 ? "IPv6" : "IPv4", uids[op->uid],
		       op->how && op->what != 2 ? "fchown" : "seteuid");
		break;
	case OP_OPTION:
		printf(" %s to %u", options[op->what], op->value);
		break;
	case OP_DEVICE:
		printf(" '%s'", devices[op->value]);
		break;
	case OP_OWNER:
		printf(" %u", uids[op->uid]);
		break;
	case OP_BIND:
		printf(" %s%s as uid %u", bind_address(op, family), op->how ? " in TCP_REPAIR" : "",
		       uids[op->uid]);
		break;
	case OP_INCOMING:
		printf(", %s", op->how ? "accepted" : "left in the queue");
		if (op->how)
			printf(" by uid %u", uids[op->uid]);
		break;
	default:
		break;
	}
	printf("\n");
}
