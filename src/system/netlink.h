/* SPDX-License-Identifier: GPL-2.0-only */
/* netlink(7) in the network namespace of the calling thread. */
#ifndef PORTTRACE_SYSTEM_NETLINK_H
#define PORTTRACE_SYSTEM_NETLINK_H

#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

/* Gets one message of an answer, valid during the call only. */
typedef void (*netlink_message_fn)(void *context, const struct nlmsghdr *message);

/*
 * Sends a request, which may be a dump, and passes every message of the answer to `message`. `protocol`:
 * NETLINK_ROUTE, NETLINK_SOCK_DIAG. 0, or -errno of the system call or of the answer; messages before an
 * error were passed.
 */
int netlink_request(int protocol, const struct nlmsghdr *request, netlink_message_fn message, void *context);

/* The payload of a message; NULL: it is of another type, or has less than `size` bytes. */
const void *netlink_payload(const struct nlmsghdr *message, uint16_t type, size_t size);

#endif
