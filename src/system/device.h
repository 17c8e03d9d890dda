/* SPDX-License-Identifier: GPL-2.0-only */
/* Network devices of the namespace that this thread is in. */
#ifndef PORTTRACE_SYSTEM_DEVICE_H
#define PORTTRACE_SYSTEM_DEVICE_H

#include <stdint.h>

/* The index of a device, by its name or its number; 0: there is none. */
uint32_t device_index(const char *device);

/*
 * The VRF in whose ports a TCP socket is that is bound to this device, as an ifindex; 0: in none, or the
 * namespace lets them share (net.ipv4.tcp_l3mdev_accept). inet_sk_bound_l3mdev(), 5.0.
 */
uint32_t device_l3mdev(uint32_t ifindex);

#endif
