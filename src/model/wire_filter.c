/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/wire_filter.h"

#include <string.h>
#include <sys/socket.h>

#include "model/model.h"
#include "util/address.h"

static bool number_listed(const struct settings_numbers *list, uint32_t value)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->values[i] == value)
			return true;
	}
	return !list->count;
}

static bool name_listed(const struct settings_names *list, const char name[16])
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (!strncmp(list->values[i], name, sizeof(list->values[i])))
			return true;
	}
	return !list->count;
}

static bool in_cidr(const struct settings_cidr *cidr, const uint8_t addr[16])
{
	uint32_t bytes = cidr->prefix / 8, bits = cidr->prefix % 8;

	if (memcmp(cidr->addr, addr, bytes))
		return false;
	return !bits || !((cidr->addr[bytes] ^ addr[bytes]) & (0xff << (8 - bits)));
}

static bool addr_listed(const struct settings_cidrs *list, const uint8_t addr[16])
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (in_cidr(&list->values[i], addr))
			return true;
	}
	return !list->count;
}

static bool port_listed(const struct settings_ports *ports, uint16_t port)
{
	return !ports->used || ports->bits[port / 64] & (1ULL << (port % 64));
}

static bool task_wanted(const struct settings *settings, const struct wire_task *task)
{
	return number_listed(&settings->pids, task->pid) && number_listed(&settings->uids, task->uid) &&
	       name_listed(&settings->comms, task->comm) &&
	       (!settings->cgroup_id || settings->cgroup_id == task->cgroup_id);
}

static bool sock_wanted(const struct settings *settings, const struct wire_sock *sock)
{
	bool ipv4 = sock->family == AF_INET || address_is_mapped(sock->local_addr);

	if (settings->ipv4 != settings->ipv6 && ipv4 != settings->ipv4)
		return false;
	return port_listed(&settings->local_ports, sock->local_port) &&
	       port_listed(&settings->remote_ports, sock->remote_port) &&
	       number_listed(&settings->netns, sock->netns) &&
	       number_listed(&settings->protocols, sock->protocol) &&
	       addr_listed(&settings->local, sock->local_addr) &&
	       addr_listed(&settings->remote, sock->remote_addr);
}

bool wire_filter(const struct settings *settings, const struct wire_hdr *event)
{
	const struct wire_sock *sock = wire_sock_of(event);
	const struct wire_task *task = wire_task_of(event);

	return !sock || (sock_wanted(settings, sock) && task_wanted(settings, task));
}

bool wire_filter_flow(const struct settings *settings, const uint8_t local_addr[16],
		      const uint8_t remote_addr[16], uint16_t remote_port, uint16_t protocol,
		      const struct wire_task *task)
{
	bool ipv4 = address_is_mapped(local_addr) || (remote_port && address_is_mapped(remote_addr));

	if (settings->ipv4 != settings->ipv6 && ipv4 != settings->ipv4)
		return false;
	if (task && (!number_listed(&settings->pids, task->pid) || !name_listed(&settings->comms, task->comm)))
		return false;
	return port_listed(&settings->remote_ports, remote_port) && addr_listed(&settings->local, local_addr) &&
	       addr_listed(&settings->remote, remote_addr) &&
	       (!protocol || number_listed(&settings->protocols, protocol));
}
