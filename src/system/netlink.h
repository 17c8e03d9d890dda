/* SPDX-License-Identifier: GPL-2.0-only */
/* rtnetlink(7) in the calling thread's network namespace. */
#ifndef PORTTRACE_SYSTEM_NETLINK_H
#define PORTTRACE_SYSTEM_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/netlink.h>

/* One link with all of its attributes is a few KiB. */
union rtnetlink_answer {
	struct nlmsghdr header;
	char bytes[16384];
};

/* A question with one answer, which is of this type and has its fixed part of `size` bytes; false: an error or
 * something else came. */
bool rtnetlink_ask(const struct nlmsghdr *question, uint16_t type, size_t size, union rtnetlink_answer *answer);

#endif
