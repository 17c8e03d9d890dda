/* SPDX-License-Identifier: GPL-2.0-only */
/* The filters of the command line, applied before an event is sent. Every backend uses them. */
#include "porttrace.bpf.h"

const volatile struct settings settings = {};

static bool number_listed(const volatile struct settings_numbers *list, __u32 value)
{
	if (!list->count)
		return true;
	for (__u32 i = 0; i < SETTINGS_LIST_MAX; i++) {
		if (i >= list->count)
			break;
		if (list->values[i] == value)
			return true;
	}
	return false;
}

static bool name_listed(const volatile struct settings_names *list, const char *name)
{
	if (!list->count)
		return true;
	for (__u32 i = 0; i < SETTINGS_LIST_MAX; i++) {
		bool same = true;

		if (i >= list->count)
			break;
		for (__u32 j = 0; j < sizeof(list->values[0]) && same; j++) {
			same = list->values[i][j] == name[j];
			if (!name[j])
				break;
		}
		if (same)
			return true;
	}
	return false;
}

static bool in_cidr(const volatile struct settings_cidr *cidr, const __u8 *addr)
{
	for (__u32 i = 0; i < 16; i++) {
		__u32 bits = i * 8;
		__u8 mask = 0xff;

		if (bits >= cidr->prefix)
			break;
		if (cidr->prefix - bits < 8)
			mask = 0xff << (8 - (cidr->prefix - bits));
		if ((cidr->addr[i] ^ addr[i]) & mask)
			return false;
	}
	return true;
}

static bool addr_listed(const volatile struct settings_cidrs *list, const __u8 *addr)
{
	if (!list->count)
		return true;
	for (__u32 i = 0; i < SETTINGS_LIST_MAX; i++) {
		if (i >= list->count)
			break;
		if (in_cidr(&list->values[i], addr))
			return true;
	}
	return false;
}

static bool port_listed(const volatile struct settings_ports *ports, __u16 port)
{
	return !ports->used || ports->bits[port / 64] & (1ULL << (port % 64));
}

static bool is_mapped(const __u8 *addr)
{
	const __u32 *words = (const __u32 *)addr;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

__hidden bool filter_kind(__u32 kind, __u32 error)
{
	if (settings.failed_only && !error)
		return false;
	return settings.kinds & (1U << kind);
}

static __always_inline bool is_wanted(const struct wire_task *task, struct task_struct *kernel_task)
{
	if (!number_listed(&settings.pids, task->pid) || !number_listed(&settings.uids, task->uid) ||
	    !name_listed(&settings.comms, task->comm))
		return false;
	return !settings.cgroup_id || task_under_cgroup(kernel_task);
}

__hidden bool filter_task(const struct wire_task *task, struct task_struct *kernel_task)
{
	return is_wanted(task, kernel_task);
}

GLOBAL_SUBPROG int filter_current(const struct wire_task *task)
{
	return task && is_wanted(task, (void *)bpf_get_current_task());
}

GLOBAL_SUBPROG int filter_sock(const struct wire_sock *sock)
{
	bool ipv4 = sock && (sock->family == AF_INET || is_mapped(sock->local_addr));

	if (!sock || (settings.ipv4 != settings.ipv6 && ipv4 != settings.ipv4))
		return false;
	return port_listed(&settings.local_ports, sock->local_port) &&
	       port_listed(&settings.remote_ports, sock->remote_port) &&
	       number_listed(&settings.netns, sock->netns) &&
	       number_listed(&settings.protocols, sock->protocol) &&
	       addr_listed(&settings.local, sock->local_addr) &&
	       addr_listed(&settings.remote, sock->remote_addr);
}
