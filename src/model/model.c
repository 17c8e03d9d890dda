/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/model.h"

#include <stdlib.h>

#include "model/model_state.h"
#include "util/protocol.h"

#define SOCKETS_DEFAULT	  65536
#define PROCESSES_DEFAULT 4096

struct model *model_new(const struct model_limits *limits)
{
	size_t sockets = limits && limits->sockets ? limits->sockets : SOCKETS_DEFAULT;
	size_t processes = limits && limits->processes ? limits->processes : PROCESSES_DEFAULT;
	struct model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	model->ports = port_table_new(sockets, limits && limits->timewaits ? limits->timewaits : sockets);
	model->processes = process_table_new(processes);
	model->namespaces = netns_table_new();
	model->pools = pool_table_new();
	if (!model->ports || !model->processes || !model->namespaces || !model->pools) {
		model_free(model);
		return NULL;
	}
	return model;
}

void model_free(struct model *model)
{
	if (!model)
		return;
	failure_ring_done(&model->failures);
	pool_table_free(model->pools);
	netns_table_free(model->namespaces);
	process_table_free(model->processes);
	port_table_free(model->ports);
	free(model);
}

void model_advance(struct model *model, uint64_t now_boot_ns)
{
	port_table_expire(model->ports, now_boot_ns);
}

struct port_table *model_ports(struct model *model)
{
	return model->ports;
}

struct process_table *model_processes(struct model *model)
{
	return model->processes;
}

struct netns_table *model_namespaces(struct model *model)
{
	return model->namespaces;
}

struct pool_table *model_pools(struct model *model)
{
	return model->pools;
}

const struct failure *model_failure(struct model *model, uint64_t failure_id)
{
	return failure_ring_find(&model->failures, failure_id);
}

const struct repeat *model_repeat(const struct model *model, const struct wire_sock *sock, const struct wire_task *task,
				  uint32_t error)
{
	return repeat_table_find(&model->repeats, sock, task, error);
}

const struct reservation *model_reservation(const struct model *model, const struct wire_sock *sock,
					    uint64_t now_boot_ns)
{
	const struct reservation_ring *ring = protocol_is_udp(sock->protocol) ? &model->udp_reservations :
										&model->tcp_reservations;

	return reservation_ring_find(ring, sock->netns, sock->local_port, now_boot_ns);
}

const struct wire_interface *model_tunnel(const struct model *model, uint32_t netns, uint16_t port)
{
	for (unsigned int i = 0; port && i < INTERFACES_MAX; i++) {
		if (model->interfaces[i].tunnel_port == port && model->interfaces[i].netns == netns)
			return &model->interfaces[i];
	}
	return NULL;
}

uint64_t model_closed_at(const struct model *model, uint64_t cookie)
{
	return closed_cache_find(&model->closed, cookie);
}

const struct closed_server *model_closed_server(const struct model *model, unsigned int age)
{
	return closed_servers_get(&model->servers, age);
}

const char *model_interface(const struct model *model, uint32_t netns, uint32_t ifindex)
{
	for (unsigned int i = 0; ifindex && i < INTERFACES_MAX; i++) {
		const struct wire_interface *interface = &model->interfaces[i];

		if (interface->ifindex == ifindex && interface->netns == netns)
			return interface->name;
	}
	return "";
}
