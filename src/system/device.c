/* SPDX-License-Identifier: GPL-2.0-only */
/* RTM_GETLINK: whether a device is a VRF, or a member of one. */
#include "system/device.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "system/netlink.h"
#include "system/netns_read.h"

uint32_t device_index(const char *device)
{
	char name[IF_NAMESIZE], *end;
	unsigned int index = if_nametoindex(device);
	unsigned long number;

	if (index)
		return index;
	number = strtoul(device, &end, 10);
	if (*device < '0' || *device > '9' || *end || !number || number > INT_MAX ||
	    !if_indextoname((unsigned int)number, name))
		return 0;
	return (uint32_t)number;
}

static bool is_vrf(const struct rtattr *kind)
{
	return RTA_PAYLOAD(kind) >= 3 && strncmp(RTA_DATA(kind), "vrf", RTA_PAYLOAD(kind)) == 0;
}

static uint32_t l3mdev_in(const struct ifinfomsg *link, size_t size)
{
	const struct rtattr *at = IFLA_RTA(link);
	bool is_itself = false, is_member = false;
	uint32_t master = 0;

	for (; RTA_OK(at, size); at = RTA_NEXT(at, size)) {
		const struct rtattr *info = RTA_DATA(at);
		size_t left = RTA_PAYLOAD(at);

		if (at->rta_type == IFLA_MASTER && left >= sizeof(master))
			memcpy(&master, RTA_DATA(at), sizeof(master));
		for (; at->rta_type == IFLA_LINKINFO && RTA_OK(info, left); info = RTA_NEXT(info, left)) {
			is_itself |= info->rta_type == IFLA_INFO_KIND && is_vrf(info);
			is_member |= info->rta_type == IFLA_INFO_SLAVE_KIND && is_vrf(info);
		}
	}
	if (is_itself)
		return (uint32_t)link->ifi_index;
	return is_member ? master : 0;
}

static void link_found(void *context, const struct nlmsghdr *message)
{
	const struct ifinfomsg *link = netlink_payload(message, RTM_NEWLINK, sizeof(*link));

	if (link)
		*(uint32_t *)context = l3mdev_in(link, IFLA_PAYLOAD(message));
}

uint32_t device_l3mdev(uint32_t ifindex)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK,
			   .nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_index = (int)ifindex},
	};
	uint32_t l3mdev = 0;

	if (ifindex && !netns_read_setting("/proc/sys/net/ipv4/tcp_l3mdev_accept", NULL))
		netlink_request(NETLINK_ROUTE, &request.header, link_found, &l3mdev);
	return l3mdev;
}
