/* SPDX-License-Identifier: GPL-2.0-only */
/* The checks of __inet_bind() and __inet6_bind() that need the namespace: whose address is it? */
#include "why/bind_environment.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/rtnetlink.h>

#include "system/device.h"
#include "util/address.h"
#include "system/netlink.h"

/* RTN_LOCAL, RTN_BROADCAST ...; RTN_UNREACHABLE where no route leads. */
static unsigned char route_type(const uint8_t ipv4[4])
{
	struct {
		struct nlmsghdr header;
		struct rtmsg route;
		struct rtattr attribute;
		uint8_t address[4];
	} request = {
		.header = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETROUTE,
			   .nlmsg_flags = NLM_F_REQUEST},
		.route = {.rtm_family = AF_INET, .rtm_dst_len = 32},
		.attribute = {.rta_len = RTA_LENGTH(4), .rta_type = RTA_DST},
	};
	union rtnetlink_answer answer;

	memcpy(request.address, ipv4, sizeof(request.address));
	if (!rtnetlink_ask(&request.header, RTM_NEWROUTE, sizeof(struct rtmsg), &answer))
		return RTN_UNREACHABLE;
	return ((struct rtmsg *)NLMSG_DATA(&answer.header))->rtm_type;
}

/* inet_addr_valid_or_nonlocal() */
static uint32_t check_ipv4(const uint8_t ipv4[4], bool is_free)
{
	unsigned char type;

	if (is_free)
		return 0;
	/* inet_addr_type(): the wildcard, multicast and 255.255.255.255, whatever the routes are */
	if (memcmp(ipv4, "\0\0\0", 4) == 0 || (ipv4[0] & 0xf0) == 0xe0 ||
	    memcmp(ipv4, "\xff\xff\xff\xff", 4) == 0)
		return 0;
	type = route_type(ipv4);
	if (type == RTN_LOCAL || type == RTN_BROADCAST || type == RTN_MULTICAST)
		return 0;
	return netns_read_setting("/proc/sys/net/ipv4/ip_nonlocal_bind", NULL) ? 0 : EADDRNOTAVAIL;
}

/* ipv6_chk_addr() */
static uint32_t find_ipv6(const uint8_t address[16], struct bind_environment *place)
{
	switch (netns_find_ipv6(address, place->ifindex)) {
	case NETNS_ADDRESS_USABLE:
		return 0;
	case NETNS_ADDRESS_TENTATIVE:
		place->is_tentative = true;
		break;
	case NETNS_ADDRESS_NONE:
		break;
	}
	return EADDRNOTAVAIL;
}

/* __ipv6_addr_needs_scope_id(): fe80::/10, and multicast of an interface or link */
static bool needs_scope(const uint8_t address[16])
{
	if (address[0] == 0xff)
		return (address[1] & 0xf) == 1 || (address[1] & 0xf) == 2;
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

static uint32_t check_ipv6(const struct why_options *options, struct bind_environment *place)
{
	bool is_multicast = options->address[0] == 0xff;
	bool is_v6only = place->is_v6only || options->flags & WIRE_V6ONLY;
	bool is_free = options->flags & WIRE_FREEBIND;

	if (!place->has_ipv6)
		return EAFNOSUPPORT;
	if (is_multicast && (options->protocol == IPPROTO_TCP || options->protocol == IPPROTO_MPTCP))
		return EINVAL;
	if (address_is_mapped(options->address))
		return is_v6only ? EINVAL : check_ipv4(options->address + 12, is_free);
	if (address_is_wildcard(options->address))
		return 0;
	if (needs_scope(options->address) && !options->device[0])
		return EINVAL;
	if (is_multicast || is_free || netns_read_setting("/proc/sys/net/ipv6/ip_nonlocal_bind", NULL))
		return 0;
	return find_ipv6(options->address, place);
}

/* A socket that is never bound says best whether there can be any. */
static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void look_around(const struct why_options *options, const struct why_caller *caller,
			struct bind_environment *place)
{
	int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	netns_read(&place->settings, place->reserved);
	place->has_ipv6 = has_ipv6();
	place->is_v6only = netns_read_setting("/proc/sys/net/ipv6/bindv6only", NULL);
	place->autobind_reuse = netns_read_setting("/proc/sys/net/ipv4/ip_autobind_reuse", NULL);
	if (netns >= 0) {
		place->is_privileged = why_caller_is_privileged(caller, netns);
		close(netns);
	}
	place->ifindex = options->device[0] ? device_index(options->device) : 0;
	if (options->device[0] && !place->ifindex)
		place->error = ENODEV;
	else if (options->family == AF_INET && address_is_mapped(options->address))
		place->error = check_ipv4(options->address + 12, options->flags & WIRE_FREEBIND);
	else if (options->family == AF_INET6)
		place->error = check_ipv6(options, place);
}

int bind_environment_read(const struct why_options *options, const struct why_caller *caller,
		    struct netns_list *namespaces, struct bind_environment *place)
{
	int err = netns_enter(namespaces, caller->netns);

	if (err)
		return err;
	memset(place, 0, sizeof(*place));
	place->settings = (struct wire_netns){
		.hdr = {.size = sizeof(place->settings), .kind = WIRE_NETNS},
		.netns = caller->netns,
	};
	look_around(options, caller, place);
	netns_leave(namespaces);
	return 0;
}
