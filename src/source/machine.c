/* SPDX-License-Identifier: GPL-2.0-only */
#include "source/machine.h"

#include <errno.h>
#include <string.h>
#include <net/if.h>

#include "system/device.h"
#include "system/fdless_owner.h"
#include "system/netns_read.h"
#include "system/procfs.h"
#include "util/clock.h"

#define FDLESS_SEARCH_NS 200000000ULL

static struct machine *machine_of(const struct source *source)
{
	return (struct machine *)source;
}

struct fdless_search {
	struct wire_socket socket;
	struct socket_list *found;
};

static void add_fdless_owner(void *context, const struct wire_task *task)
{
	struct fdless_search *search = context;

	search->socket.task = *task;
	socket_list_add(search->found, &search->socket);
}

void machine_find_fdless_owner(struct source *source, const struct wire_socket *socket,
			       struct socket_list *found)
{
	struct fdless_search search = {.socket = *socket, .found = found};
	uint64_t begin = clock_thread_ns();

	(void)source;
	search.socket.hdr = (struct wire_hdr){
		.size = sizeof(search.socket),
		.kind = WIRE_SOCKET,
		.boot_ns = clock_boot_ns(),
	};
	search.socket.fd = WIRE_FDLESS;
	socket_list_clear(found);
	find_fdless_owner(socket->inode, FDLESS_SEARCH_NS, add_fdless_owner, &search);
	found->took_ns = clock_thread_ns() - begin;
	found->is_complete &= found->took_ns < FDLESS_SEARCH_NS;
}

int machine_read_process(struct source *source, const struct wire_task *task, bool with_origin,
			 struct wire_process *process)
{
	int err = process_read(task, with_origin, process);

	(void)source;
	process->hdr.boot_ns = clock_boot_ns();
	return err;
}

bool machine_process_is_alive(struct source *source, const struct wire_task *task)
{
	(void)source;
	return process_is_alive(task->pid, task->start_boot_ns);
}

int machine_read_interface(struct source *source, uint32_t netns, uint32_t ifindex,
			   struct wire_interface *interface)
{
	struct netns_list *namespaces = machine_of(source)->namespaces;
	char name[IF_NAMESIZE];
	int err = netns_enter(namespaces, netns);

	if (err)
		return err;
	*interface = (struct wire_interface){
		.hdr = {.size = sizeof(*interface), .kind = WIRE_INTERFACE, .boot_ns = clock_boot_ns()},
		.netns = netns,
		.ifindex = ifindex,
	};
	if (if_indextoname(ifindex, name))
		memcpy(interface->name, name, sizeof(interface->name));
	else
		err = -errno;
	netns_leave(namespaces);
	return err;
}

int machine_read_tunnel(struct source *source, uint32_t netns, uint16_t port, struct wire_interface *interface)
{
	struct netns_list *namespaces = machine_of(source)->namespaces;
	struct device_tunnel tunnel;
	int err = netns_enter(namespaces, netns);

	if (err)
		return err;
	if (!device_tunnel_find(port, &tunnel))
		err = -ENOENT;
	netns_leave(namespaces);
	*interface = (struct wire_interface){
		.hdr = {.size = sizeof(*interface), .kind = WIRE_INTERFACE, .boot_ns = clock_boot_ns()},
		.netns = netns,
		.ifindex = tunnel.ifindex,
		.tunnel_port = port,
	};
	memcpy(interface->name, tunnel.name, sizeof(interface->name));
	memcpy(interface->tunnel, tunnel.kind, sizeof(interface->tunnel));
	return err;
}

int machine_netns_path(struct source *source, uint32_t netns, char *path, size_t size)
{
	return netns_path(machine_of(source)->namespaces, netns, path, size);
}

size_t machine_netns_count(const struct source *source)
{
	return netns_list_count(machine_of(source)->namespaces);
}

bool machine_has_netns(const struct source *source, uint32_t netns)
{
	const struct netns_list *namespaces = machine_of(source)->namespaces;

	for (size_t i = 0; i < netns_list_count(namespaces); i++) {
		if (netns_list_get(namespaces, i) == netns)
			return true;
	}
	return false;
}

uint32_t machine_netns_get(const struct source *source, size_t index)
{
	return netns_list_get(machine_of(source)->namespaces, index);
}

int machine_netns_read(struct source *source, uint32_t netns, struct wire_netns *settings, uint8_t *reserved)
{
	struct netns_list *namespaces = machine_of(source)->namespaces;
	int err = netns_enter(namespaces, netns);

	if (err)
		return err;
	netns_read(settings, reserved);
	netns_leave(namespaces);
	return 0;
}

int machine_netns_error(const struct source *source, size_t index, uint32_t *netns)
{
	const struct netns_list *namespaces = machine_of(source)->namespaces;

	*netns = netns_list_get(namespaces, index);
	return netns_list_error(namespaces, index);
}
