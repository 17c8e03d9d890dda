/* SPDX-License-Identifier: GPL-2.0-only */
/* The UDP port of a WireGuard device, which only its own netlink family reports. */
#ifndef PORTTRACE_SYSTEM_WIREGUARD_H
#define PORTTRACE_SYSTEM_WIREGUARD_H

#include <stdint.h>

/* In the network namespace of this thread; needs CAP_NET_ADMIN there. 0: not known, or the device is down. */
uint16_t wireguard_port(uint32_t ifindex);

#endif
