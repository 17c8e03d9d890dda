/* SPDX-License-Identifier: GPL-2.0-only */
/* Names for the numbers of wire events, the same in every format. */
#ifndef PORTTRACE_RENDER_NAMES_H
#define PORTTRACE_RENDER_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

#define PROTOCOL_NAME_SIZE 8
#define OPTION_NAMES_MAX   6

/* "tcp", "udp" ...; the number as text for others, written to `buffer`. */
const char *protocol_name(uint16_t protocol, char buffer[PROTOCOL_NAME_SIZE]);

/* "LISTEN" ... as in ss, and "BOUND" for a socket that only has a port.
 * substate: of a TIME_WAIT, else 0. NULL for a number that is not a state. */
const char *state_name(uint8_t state, uint32_t substate);

/* "enter", "expire" ... of a timewait event; NULL for a number that is not one. */
const char *timewait_action_name(uint32_t action);

/* The names of the socket options set in `flags` (WIRE_REUSEADDR ...); returns how many. */
size_t option_names(uint32_t flags, const char *names[OPTION_NAMES_MAX]);

#endif
