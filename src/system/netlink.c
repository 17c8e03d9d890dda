/* SPDX-License-Identifier: GPL-2.0-only */
/* A socket per request: requests are rare, and each may be in another namespace. */
#include "system/netlink.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

/* The kernel fills at most 32 KiB per read of a dump (netlink_dump() in net/netlink/af_netlink.c). */
union answer {
	struct nlmsghdr header;
	char bytes[32768];
};

const void *netlink_payload(const struct nlmsghdr *message, uint16_t type, size_t size)
{
	if (message->nlmsg_type != type || message->nlmsg_len < NLMSG_LENGTH(size))
		return NULL;
	return NLMSG_DATA(message);
}

/* The error that NLMSG_ERROR and NLMSG_DONE carry; 0: none. */
static int message_error(const struct nlmsghdr *message)
{
	int err = 0;

	if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(err)))
		memcpy(&err, NLMSG_DATA(message), sizeof(err));
	return err;
}

/* Passes on the messages of one recv(). *done: the answer is complete. */
static int deliver(const union answer *answer, size_t size, netlink_message_fn message, void *context,
		   bool *done)
{
	for (size_t at = 0; at < size;) {
		const struct nlmsghdr *header = (const void *)(answer->bytes + at);

		if (!NLMSG_OK(header, size - at))
			return -EBADMSG;
		at += NLMSG_ALIGN(header->nlmsg_len);
		*done = header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE;
		if (*done)
			return message_error(header);
		message(context, header);
		/* A message that is not part of a dump is the only one. */
		*done = !(header->nlmsg_flags & NLM_F_MULTI);
	}
	return 0;
}

int netlink_request(int protocol, const struct nlmsghdr *request, netlink_message_fn message, void *context)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	bool done = false;
	union answer answer;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (send(fd, request, request->nlmsg_len, 0) < 0)
		err = -errno;
	while (!err && !done) {
		/* MSG_TRUNC: the length of the whole message, if it did not fit. */
		ssize_t got = recv(fd, &answer, sizeof(answer), MSG_TRUNC);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			err = -errno;
		else if (!got || (size_t)got > sizeof(answer))
			err = -EMSGSIZE;
		else
			err = deliver(&answer, (size_t)got, message, context, &done);
	}
	close(fd);
	return err;
}
