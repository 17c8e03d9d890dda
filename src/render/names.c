/* SPDX-License-Identifier: GPL-2.0-only */
/* Names for the numbers of wire events, the same in every format. */
#include "render/names.h"

#include <stdio.h>

#include "util/protocol.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

const char *protocol_name(uint16_t protocol, char buffer[PROTOCOL_NAME_SIZE])
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_MPTCP:
		return "mptcp";
	case IPPROTO_UDPLITE:
		return "udplite";
	}
	snprintf(buffer, PROTOCOL_NAME_SIZE, "%u", (unsigned int)protocol);
	return buffer;
}

static const char *const states[] = {
	[WIRE_TCP_ESTABLISHED] = "ESTABLISHED",
	[WIRE_TCP_SYN_SENT] = "SYN_SENT",
	[WIRE_TCP_SYN_RECV] = "SYN_RECV",
	[WIRE_TCP_FIN_WAIT1] = "FIN_WAIT1",
	[WIRE_TCP_FIN_WAIT2] = "FIN_WAIT2",
	[WIRE_TCP_TIME_WAIT] = "TIME_WAIT",
	[WIRE_TCP_CLOSE] = "BOUND",
	[WIRE_TCP_CLOSE_WAIT] = "CLOSE_WAIT",
	[WIRE_TCP_LAST_ACK] = "LAST_ACK",
	[WIRE_TCP_LISTEN] = "LISTEN",
	[WIRE_TCP_CLOSING] = "CLOSING",
	[WIRE_TCP_NEW_SYN_RECV] = "SYN_RECV",
};

const char *state_name(uint8_t state, uint32_t substate)
{
	/* The kernel keeps a long FIN_WAIT2 as a TIME_WAIT socket with this substate (tcp_time_wait()). */
	if (state == WIRE_TCP_TIME_WAIT && substate == WIRE_TCP_FIN_WAIT2)
		state = WIRE_TCP_FIN_WAIT2;
	return state < COUNT_OF(states) ? states[state] : NULL;
}

const char *timewait_action_name(uint32_t action)
{
	static const char *const actions[] = {
		[WIRE_TIMEWAIT_ENTER] = "enter",
		[WIRE_TIMEWAIT_EXPIRE] = "expire",
		[WIRE_TIMEWAIT_REUSE] = "reuse",
		[WIRE_TIMEWAIT_KILL] = "kill",
		[WIRE_TIMEWAIT_OVERFLOW] = "overflow",
	};

	return action < COUNT_OF(actions) ? actions[action] : NULL;
}

size_t option_names(uint32_t flags, const char *names[OPTION_NAMES_MAX])
{
	static const struct {
		uint32_t flag;
		const char *name;
	} options[OPTION_NAMES_MAX] = {
		{ WIRE_REUSEADDR, "reuseaddr" },
		{ WIRE_REUSEPORT, "reuseport" },
		{ WIRE_V6ONLY, "v6only" },
		{ WIRE_FREEBIND, "freebind" },
		{ WIRE_TRANSPARENT, "transparent" },
		{ WIRE_BIND_ADDRESS_NO_PORT, "bind-address-no-port" },
	};
	size_t count = 0;

	for (size_t i = 0; i < OPTION_NAMES_MAX; i++) {
		if (flags & options[i].flag)
			names[count++] = options[i].name;
	}
	return count;
}
