/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Network namespaces: which there are, and being in one for a moment. No descriptor of a namespace is
 * kept between calls: that would keep a dead namespace, and its ports, alive.
 */
#ifndef PORTTRACE_SYSTEM_NETNS_H
#define PORTTRACE_SYSTEM_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

struct netns_list;

/* The namespace of this thread must not change but through this list. NULL with errno. */
struct netns_list *netns_list_new(void);
void netns_list_free(struct netns_list *list);

/* Finds all namespaces: those of processes and those that a mount keeps. 0 or -errno. */
int netns_list_scan(struct netns_list *list);
/* Adds this one if a socket of pid is in it, which may be all that keeps it. true: it is. */
bool netns_list_scan_sockets(struct netns_list *list, uint32_t netns, uint32_t pid);
/* A namespace that only a socket keeps: pid has the socket open as fd. */
void netns_list_add_socket(struct netns_list *list, uint32_t netns, uint32_t pid, int fd);

size_t netns_list_count(const struct netns_list *list);
uint32_t netns_list_get(const struct netns_list *list, size_t index);
/* -errno if the last netns_enter() of this namespace since the last netns_list_scan() failed. 0: it did not,
 * or the namespace has ended. */
int netns_list_error(const struct netns_list *list, size_t index);

/*
 * Moves this thread into a namespace; after 0, call netns_leave(). If the process or mount by which the list
 * knows the namespace has gone, or the list does not have it, /proc is scanned for another one: this adds
 * namespaces at the end of the list, and removes none.
 * 0; -ESRCH: nothing leads into it (any more), it has ended as far as known; or -errno: it exists, and this
 * process cannot enter it. The thread's own namespace can always be entered.
 */
int netns_enter(struct netns_list *list, uint32_t netns);
void netns_leave(struct netns_list *list);

enum netns_address { NETNS_ADDRESS_NONE, NETNS_ADDRESS_TENTATIVE, NETNS_ADDRESS_USABLE };
/* An IPv6 address of the namespace that this thread is in; ifindex 0: on any device. Tentative: duplicate
 * address detection is not done, and no socket can bind it (ipv6_chk_addr()). */
enum netns_address netns_find_ipv6(const uint8_t address[16], uint32_t ifindex);

/* Of the namespace that this thread is in: 1 for each port that net.ipv4.ip_local_reserved_ports lists. */
#define NETNS_PORTS 65536
void netns_read_reserved(uint8_t reserved[NETNS_PORTS]);
/* A sysctl of it that has one number, or two; 0: it has not got it. second: NULL, or where the other goes. */
unsigned int netns_read_setting(const char *path, unsigned int *second);
/* Likewise: its counters and settings, except porttrace's own counts. */
void netns_read(struct wire_netns *out, uint8_t reserved[NETNS_PORTS]);

#endif
