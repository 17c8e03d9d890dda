/* SPDX-License-Identifier: GPL-2.0-only */
/* Network devices in the namespace of this thread. */
#ifndef PORTTRACE_SYSTEM_DEVICE_H
#define PORTTRACE_SYSTEM_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

struct device_tunnel {
	uint32_t ifindex;
	char name[16], kind[16]; /* kind: "vxlan" */
};

/* The first tunnel device whose kernel socket has this UDP port. false: none is known to have it. */
bool device_tunnel_find(uint16_t port, struct device_tunnel *found);

/* The index of a device given by name, or by number as text. 0: there is none. */
uint32_t device_index(const char *device);

/*
 * The ifindex of the VRF whose ports a TCP socket bound to this device uses. 0: it is in no VRF, or VRFs
 * share their ports (net.ipv4.tcp_l3mdev_accept). See inet_sk_bound_l3mdev() in include/net/inet_sock.h
 * (5.0).
 */
uint32_t device_l3mdev(uint32_t ifindex);

#endif
