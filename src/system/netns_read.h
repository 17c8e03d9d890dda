/* SPDX-License-Identifier: GPL-2.0-only */
/* Counters, settings and addresses of the network namespace that the calling thread is in. */
#ifndef PORTTRACE_SYSTEM_NETNS_READ_H
#define PORTTRACE_SYSTEM_NETNS_READ_H

#include <stdint.h>

#include "porttrace/wire.h"

#define NETNS_PORTS 65536

/* The numbers of a sysctl, such as "/proc/sys/net/ipv4/ip_local_port_range": returns the first; the next is
 * stored in *second, which may be NULL. Missing numbers are 0. */
unsigned int netns_read_setting(const char *path, unsigned int *second);

/* 1 for each port in net.ipv4.ip_local_reserved_ports. */
void netns_read_reserved(uint8_t reserved[NETNS_PORTS]);
/* The same from the text of that sysctl, such as "8080,9148-9150". */
void netns_parse_reserved(const char *text, uint8_t reserved[NETNS_PORTS]);
/* The other way round; "" for none. To be freed. NULL with errno ENOMEM. */
char *netns_format_reserved(const uint8_t reserved[NETNS_PORTS]);

/*
 * Fills in the kernel's counters and settings (porttrace counts the rest of *out), sets WIRE_NETNS_READ, and
 * fills in `reserved` as netns_read_reserved(). Counters that cannot be read are unchanged, settings become
 * 0.
 */
void netns_read(struct wire_netns *out, uint8_t reserved[NETNS_PORTS]);

/* TENTATIVE: duplicate address detection has not ended, so no socket can bind it (ipv6_chk_addr_and_flags()
 * in net/ipv6/addrconf.c). */
enum netns_address { NETNS_ADDRESS_NONE, NETNS_ADDRESS_TENTATIVE, NETNS_ADDRESS_USABLE };
/* ifindex 0: on any device. */
enum netns_address netns_find_ipv6(const uint8_t address[16], uint32_t ifindex);

#endif
