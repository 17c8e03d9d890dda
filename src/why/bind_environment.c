/* SPDX-License-Identifier: GPL-2.0-only */
/* The address checks of __inet_bind() and __inet6_bind(), which need the network namespace. */
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
#include "system/netlink.h"
#include "util/address.h"

static void route_found(void *context, const struct nlmsghdr *message)
{
	const struct rtmsg *route = netlink_payload(message, RTM_NEWROUTE, sizeof(*route));

	if (route)
		*(unsigned char *)context = route->rtm_type;
}

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
	unsigned char type = RTN_UNREACHABLE;

	memcpy(request.address, ipv4, sizeof(request.address));
	netlink_request(NETLINK_ROUTE, &request.header, route_found, &type);
	return type;
}

/* inet_addr_valid_or_nonlocal() */
static uint32_t check_ipv4(const uint8_t ipv4[4], bool is_freebind)
{
	unsigned char type;

	if (is_freebind)
		return 0;
	/* inet_addr_type(): the wildcard, multicast and 255.255.255.255 do not depend on routes. */
	if (memcmp(ipv4, "\0\0\0", 4) == 0 || (ipv4[0] & 0xf0) == 0xe0 ||
	    memcmp(ipv4, "\xff\xff\xff\xff", 4) == 0)
		return 0;
	type = route_type(ipv4);
	if (type == RTN_LOCAL || type == RTN_BROADCAST || type == RTN_MULTICAST)
		return 0;
	return netns_read_setting("/proc/sys/net/ipv4/ip_nonlocal_bind", NULL) ? 0 : EADDRNOTAVAIL;
}

/* ipv6_chk_addr() */
static uint32_t find_ipv6(const uint8_t address[16], struct bind_environment *environment)
{
	switch (netns_find_ipv6(address, environment->ifindex)) {
	case NETNS_ADDRESS_USABLE:
		return 0;
	case NETNS_ADDRESS_TENTATIVE:
		environment->is_tentative = true;
		break;
	case NETNS_ADDRESS_NONE:
		break;
	}
	return EADDRNOTAVAIL;
}

/* __ipv6_addr_needs_scope_id(): fe80::/10, and multicast of interface or link scope */
static bool needs_scope(const uint8_t address[16])
{
	if (address[0] == 0xff)
		return (address[1] & 0xf) == 1 || (address[1] & 0xf) == 2;
	return address[0] == 0xfe && (address[1] & 0xc0) == 0x80;
}

static uint32_t check_ipv6(const struct why_config *config, struct bind_environment *environment)
{
	bool is_multicast = config->address[0] == 0xff;
	bool is_v6only = environment->is_v6only || config->flags & WIRE_V6ONLY;
	bool is_freebind = config->flags & WIRE_FREEBIND;

	if (!environment->has_ipv6)
		return EAFNOSUPPORT;
	if (is_multicast && (config->protocol == IPPROTO_TCP || config->protocol == IPPROTO_MPTCP))
		return EINVAL;
	if (address_is_mapped(config->address))
		return is_v6only ? EINVAL : check_ipv4(config->address + 12, is_freebind);
	if (address_is_wildcard(config->address))
		return 0;
	if (needs_scope(config->address) && !config->device[0])
		return EINVAL;
	if (is_multicast || is_freebind || netns_read_setting("/proc/sys/net/ipv6/ip_nonlocal_bind", NULL))
		return 0;
	return find_ipv6(config->address, environment);
}

/* Creating a socket, without binding it, is the surest test. */
static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void read_inside(const struct why_config *config, const struct why_caller *caller,
			struct bind_environment *environment)
{
	int netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	netns_read(&environment->settings, environment->reserved);
	environment->has_ipv6 = has_ipv6();
	environment->is_v6only = netns_read_setting("/proc/sys/net/ipv6/bindv6only", NULL);
	environment->autobind_reuse = netns_read_setting("/proc/sys/net/ipv4/ip_autobind_reuse", NULL);
	if (netns >= 0) {
		environment->is_privileged = why_caller_is_privileged(caller, netns);
		close(netns);
	}
	environment->ifindex = config->device[0] ? device_index(config->device) : 0;
	if (config->device[0] && !environment->ifindex)
		environment->error = ENODEV;
	else if (config->family == AF_INET && address_is_mapped(config->address))
		environment->error = check_ipv4(config->address + 12, config->flags & WIRE_FREEBIND);
	else if (config->family == AF_INET6)
		environment->error = check_ipv6(config, environment);
}

int bind_environment_read(const struct why_config *config, const struct why_caller *caller,
		    struct netns_list *namespaces, struct bind_environment *environment)
{
	int err = netns_enter(namespaces, caller->netns);

	if (err)
		return err;
	memset(environment, 0, sizeof(*environment));
	environment->settings = (struct wire_netns){
		.hdr = {.size = sizeof(environment->settings), .kind = WIRE_NETNS},
		.netns = caller->netns,
	};
	read_inside(config, caller, environment);
	netns_leave(namespaces);
	return 0;
}
