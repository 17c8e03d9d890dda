/* SPDX-License-Identifier: GPL-2.0-only */
/* RTM_GETLINK: whether a device is a VRF, or a member of one; which tunnel has a port. */
#include "system/device.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "system/netlink.h"
#include "system/netns_read.h"
#include "system/wireguard.h"

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

/* Devices with a kernel socket, and the attribute that has its port. A WireGuard device does not report it here: see
 * wireguard.h. */
static const struct {
	const char *kind;
	unsigned short attribute;
} tunnels[] = {
	{"vxlan", IFLA_VXLAN_PORT},
	{"geneve", IFLA_GENEVE_PORT},
	{"bareudp", IFLA_BAREUDP_PORT},
};

#define WIREGUARDS_MAX 16

struct tunnel_search {
	uint16_t port;
	struct device_tunnel *found; /* ifindex 0: none yet */
	struct device_tunnel wireguards[WIREGUARDS_MAX];
	size_t wireguard_count;
};

static const struct rtattr *attribute_find(const struct rtattr *at, size_t size, unsigned short type)
{
	for (; RTA_OK(at, size); at = RTA_NEXT(at, size)) {
		if ((at->rta_type & NLA_TYPE_MASK) == type)
			return at;
	}
	return NULL;
}

static const struct rtattr *nested_find(const struct rtattr *outer, unsigned short type)
{
	return outer ? attribute_find(RTA_DATA(outer), RTA_PAYLOAD(outer), type) : NULL;
}

static void text_copy(char out[16], const struct rtattr *text)
{
	size_t length = text ? strnlen(RTA_DATA(text), RTA_PAYLOAD(text)) : 0;

	memset(out, 0, 16);
	memcpy(out, text ? RTA_DATA(text) : "", length < 15 ? length : 15);
}

static bool has_port(const struct rtattr *data, const char *kind, uint16_t port)
{
	uint16_t network_order = htons(port);

	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		const struct rtattr *value = strcmp(kind, tunnels[i].kind) ? NULL : nested_find(data, tunnels[i].attribute);

		if (value && RTA_PAYLOAD(value) == sizeof(port) && !memcmp(RTA_DATA(value), &network_order, sizeof(port)))
			return true;
	}
	return false;
}

static void tunnel_found(void *context, const struct nlmsghdr *message)
{
	const struct ifinfomsg *link = netlink_payload(message, RTM_NEWLINK, sizeof(*link));
	struct tunnel_search *search = context;
	struct device_tunnel *tunnel;
	const struct rtattr *info;
	char kind[16];

	if (!link || search->found->ifindex)
		return;
	info = attribute_find(IFLA_RTA(link), IFLA_PAYLOAD(message), IFLA_LINKINFO);
	text_copy(kind, nested_find(info, IFLA_INFO_KIND));
	if (has_port(nested_find(info, IFLA_INFO_DATA), kind, search->port))
		tunnel = search->found;
	else if (!strcmp(kind, "wireguard") && search->wireguard_count < WIREGUARDS_MAX)
		tunnel = &search->wireguards[search->wireguard_count++];
	else
		return;
	tunnel->ifindex = (uint32_t)link->ifi_index;
	memcpy(tunnel->kind, kind, sizeof(kind));
	text_copy(tunnel->name, attribute_find(IFLA_RTA(link), IFLA_PAYLOAD(message), IFLA_IFNAME));
}

bool device_tunnel_find(uint16_t port, struct device_tunnel *found)
{
	const struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	};
	struct tunnel_search search = {.port = port, .found = found};

	*found = (struct device_tunnel){0};
	netlink_request(NETLINK_ROUTE, &request.header, tunnel_found, &search);
	for (size_t i = 0; i < search.wireguard_count && !found->ifindex; i++) {
		if (wireguard_port(search.wireguards[i].ifindex) == port)
			*found = search.wireguards[i];
	}
	return found->ifindex;
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
