/* SPDX-License-Identifier: GPL-2.0-only */
/* A socket for each question: they are rare, and the namespace is another each time. */
#include "system/netlink.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

bool rtnetlink_ask(const struct nlmsghdr *question, uint16_t type, size_t size, union rtnetlink_answer *answer)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t got = -1;

	if (fd < 0)
		return false;
	if (send(fd, question, question->nlmsg_len, 0) == (ssize_t)question->nlmsg_len)
		got = recv(fd, answer, sizeof(*answer), 0);
	close(fd);
	return got > 0 && NLMSG_OK(&answer->header, (size_t)got) && answer->header.nlmsg_type == type &&
	       answer->header.nlmsg_len >= NLMSG_LENGTH(size);
}
