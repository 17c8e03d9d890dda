/* SPDX-License-Identifier: GPL-2.0-only */
#include "system/route.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/rtnetlink.h>

#include "system/netlink.h"
#include "util/address.h"

static void set_source(struct route *route, const struct rtattr *attribute)
{
	size_t size = RTA_PAYLOAD(attribute);

	if (size == 4)
		address_from_ipv4(RTA_DATA(attribute), route->source);
	else if (size == 16)
		memcpy(route->source, RTA_DATA(attribute), 16);
}

/* IPv6 reports a route that leads nowhere as a route, with its errno (rt6_fill_node() in net/ipv6/route.c). */
static uint32_t cached_error(const struct rtattr *attribute)
{
	struct rta_cacheinfo cache = {0};
	size_t size = RTA_PAYLOAD(attribute);

	memcpy(&cache, RTA_DATA(attribute), size < sizeof(cache) ? size : sizeof(cache));
	return -cache.rta_error; /* a negative errno */
}

static void route_found(void *context, const struct nlmsghdr *message)
{
	const struct rtmsg *header = netlink_payload(message, RTM_NEWROUTE, sizeof(*header));
	struct route *route = context;
	const struct rtattr *at;
	size_t size;

	if (!header)
		return;
	route->is_local = header->rtm_type == RTN_LOCAL;
	/* tcp_v4_connect() */
	if (header->rtm_type == RTN_BROADCAST || header->rtm_type == RTN_MULTICAST)
		route->error = ENETUNREACH;
	size = RTM_PAYLOAD(message);
	for (at = RTM_RTA(header); RTA_OK(at, size); at = RTA_NEXT(at, size)) {
		if (at->rta_type == RTA_PREFSRC)
			set_source(route, at);
		else if (at->rta_type == RTA_OIF && RTA_PAYLOAD(at) >= sizeof(route->ifindex))
			memcpy(&route->ifindex, RTA_DATA(at), sizeof(route->ifindex));
		else if (at->rta_type == RTA_CACHEINFO && cached_error(at))
			route->error = cached_error(at);
	}
}

void route_find(const uint8_t address[16], uint32_t ifindex, struct route *route)
{
	bool is_ipv4 = address_is_mapped(address);
	uint16_t size = is_ipv4 ? 4 : 16;
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr device;
		uint32_t ifindex;
		struct rtattr to;
		uint8_t address[16];
	} request = {
		.header = {.nlmsg_type = RTM_GETROUTE, .nlmsg_flags = NLM_F_REQUEST},
		.route = {.rtm_family = is_ipv4 ? AF_INET : AF_INET6, .rtm_dst_len = (unsigned char)(8 * size)},
		.device = {.rta_len = RTA_LENGTH(sizeof(ifindex)), .rta_type = RTA_OIF},
		.ifindex = ifindex,
		.to = {.rta_len = RTA_LENGTH(size), .rta_type = RTA_DST},
	};
	int err;

	request.header.nlmsg_len = sizeof(request) - sizeof(request.address) + size;
	memcpy(request.address, is_ipv4 ? address + 12 : address, size);
	*route = (struct route){0};
	err = netlink_request(NETLINK_ROUTE, &request.header, route_found, route);
	if (err)
		route->error = (uint32_t)-err;
}
