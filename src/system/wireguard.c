/* SPDX-License-Identifier: GPL-2.0-only */
/* Generic netlink: the number of the family first, then the device. */
#include "system/wireguard.h"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <string.h>

#include "system/netlink.h"

#define ATTRIBUTE_MAX 16 /* bytes of an attribute's value in a request */

struct request {
	struct nlmsghdr header;
	struct genlmsghdr command;
	struct nlattr attribute;
	char value[ATTRIBUTE_MAX];
};

static void request_fill(struct request *request, uint16_t family, uint16_t flags, uint8_t command, uint8_t version,
			 uint16_t attribute, const void *value, uint16_t size)
{
	*request = (struct request){
		.header = {.nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST | flags},
		.command = {.cmd = command, .version = version},
		.attribute = {.nla_type = attribute, .nla_len = NLA_HDRLEN + size},
	};
	memcpy(request->value, value, size);
	request->header.nlmsg_len = (uint32_t)(NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(NLA_HDRLEN + size));
}

struct search {
	uint16_t family, attribute; /* of the answer */
	uint16_t value;		    /* 0: not found */
};

static void answer_read(void *context, const struct nlmsghdr *message)
{
	struct search *search = context;
	const char *payload = netlink_payload(message, search->family, GENL_HDRLEN);
	size_t at = GENL_HDRLEN, size = message->nlmsg_len - NLMSG_HDRLEN;

	while (payload && at + NLA_HDRLEN <= size) {
		const struct nlattr *attribute = (const void *)(payload + at);

		if (attribute->nla_len < NLA_HDRLEN || attribute->nla_len > size - at)
			return;
		if ((attribute->nla_type & NLA_TYPE_MASK) == search->attribute &&
		    attribute->nla_len == NLA_HDRLEN + sizeof(search->value))
			memcpy(&search->value, payload + at + NLA_HDRLEN, sizeof(search->value));
		at += NLA_ALIGN(attribute->nla_len);
	}
}

static uint16_t family_id(void)
{
	struct search search = {.family = GENL_ID_CTRL, .attribute = CTRL_ATTR_FAMILY_ID};
	struct request request;

	request_fill(&request, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, 1, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME,
		     sizeof(WG_GENL_NAME));
	netlink_request(NETLINK_GENERIC, &request.header, answer_read, &search);
	return search.value;
}

uint16_t wireguard_port(uint32_t ifindex)
{
	struct search search = {.family = family_id(), .attribute = WGDEVICE_A_LISTEN_PORT};
	struct request request;

	if (!search.family)
		return 0;
	request_fill(&request, search.family, NLM_F_DUMP, WG_CMD_GET_DEVICE, WG_GENL_VERSION, WGDEVICE_A_IFINDEX, &ifindex,
		     sizeof(ifindex));
	netlink_request(NETLINK_GENERIC, &request.header, answer_read, &search);
	return search.value;
}
