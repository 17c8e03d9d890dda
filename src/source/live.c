/* SPDX-License-Identifier: GPL-2.0-only */
/* Joins the programs' ring buffer with looks at what exists and with the counters of each namespace. */
#include "source/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "system/fdless_owner.h"
#include "system/netns.h"
#include "system/netns_read.h"
#include "system/procfs.h"
#include "source/counters.h"
#include "source/snapshot.h"
#include "util/address.h"
#include "util/clock.h"

#define ADDRESS_VALID_NS 100000000ULL
#define SEARCH_NS	 200000000ULL

/* The address that was asked about last. */
struct address_asked {
	uint64_t boot_ns;
	uint8_t addr[16];
	uint32_t netns, ifindex;
	bool tentative;
};

struct live {
	struct source source;
	struct kernel *kernel;
	struct netns_list *namespaces;
	struct snapshot *snapshot;
	struct ring_buffer *ring;
	struct address_asked address_asked;
	struct counters *counters;
	source_event_fn event;
	void *context;
};

static struct live *live_of(const struct source *source)
{
	return (struct live *)source;
}

/*
 * An IPv6 address that cannot be bound is not there, or is being checked for duplicates: only its
 * namespace knows. One answer serves a storm of refusals.
 */
static bool is_tentative(struct live *live, const struct wire_sock *sock, uint64_t now)
{
	struct address_asked *asked = &live->address_asked;

	if (asked->netns == sock->netns && asked->ifindex == sock->ifindex &&
	    memcmp(asked->addr, sock->local_addr, sizeof(asked->addr)) == 0 &&
	    now - asked->boot_ns < ADDRESS_VALID_NS)
		return asked->tentative;
	*asked = (struct address_asked){.netns = sock->netns, .ifindex = sock->ifindex, .boot_ns = now};
	memcpy(asked->addr, sock->local_addr, sizeof(asked->addr));
	if (netns_enter(live->namespaces, sock->netns))
		return false;
	asked->tentative = netns_find_ipv6(sock->local_addr, sock->ifindex) == NETNS_ADDRESS_TENTATIVE;
	netns_leave(live->namespaces);
	return asked->tentative;
}

static int ring_event(void *context, void *data, size_t size)
{
	const struct wire_bind *refused = data;
	struct live *live = context;
	struct wire_bind event;

	if (refused->hdr.kind == WIRE_BIND && size == sizeof(event) && refused->error == EADDRNOTAVAIL &&
	    refused->sock.family == AF_INET6 && !address_is_mapped(refused->sock.local_addr) &&
	    is_tentative(live, &refused->sock, refused->hdr.boot_ns)) {
		event = *refused;
		event.sock.flags |= WIRE_TENTATIVE;
		data = &event;
	}
	live->event(live->context, data, size);
	return 0;
}

static int live_fd(const struct source *source)
{
	return ring_buffer__epoll_fd(live_of(source)->ring);
}

static int live_drain(struct source *source)
{
	return ring_buffer__consume(live_of(source)->ring);
}

static int live_scan(struct source *source, const struct socket_query *look)
{
	struct live *live = live_of(source);

	int err = snapshot_scan(live->snapshot, look, live->event, live->context);

	/* What a walk has found comes by the ring. */
	if (!err && look->walk && look->walk->done)
		ring_buffer__consume(live->ring);
	return err;
}

static void live_describe(struct source *source, const struct wire_task *task)
{
	struct live *live = live_of(source);
	struct wire_process event;

	if (process_read(task, &event))
		return;
	event.hdr.boot_ns = clock_boot_ns();
	live->event(live->context, &event, sizeof(event));
}

struct hidden_delivery {
	struct live *live;
	struct wire_socket event;
};

static void hidden_event(void *context, const struct wire_task *task)
{
	struct hidden_delivery *delivery = context;

	delivery->event.task = *task;
	delivery->live->event(delivery->live->context, &delivery->event, sizeof(delivery->event));
}

static void live_find_fdless_owner(struct source *source, const struct wire_socket *holder)
{
	struct hidden_delivery delivery = {.live = live_of(source), .event = *holder};

	delivery.event.hdr = (struct wire_hdr){
		.size = sizeof(delivery.event),
		.kind = WIRE_SOCKET,
		.boot_ns = clock_boot_ns(),
	};
	delivery.event.fd = WIRE_FDLESS;
	find_fdless_owner(holder->inode, SEARCH_NS, hidden_event, &delivery);
}

static void live_name_device(struct source *source, uint32_t netns, uint32_t ifindex)
{
	struct live *live = live_of(source);
	struct wire_interface event = {
		.hdr = {.size = sizeof(event), .kind = WIRE_INTERFACE, .boot_ns = clock_boot_ns()},
		.netns = netns,
		.ifindex = ifindex,
	};
	char name[IF_NAMESIZE];

	if (netns_enter(live->namespaces, netns))
		return;
	if (if_indextoname(ifindex, name)) {
		memcpy(event.name, name, sizeof(event.name));
		live->event(live->context, &event, sizeof(event));
	}
	netns_leave(live->namespaces);
}

static void live_read_counters(struct source *source, uint32_t netns, bool last)
{
	struct live *live = live_of(source);

	if (netns)
		counters_read_one(live->counters, netns);
	else
		counters_report(live->counters, last);
}

static uint64_t live_lost(const struct source *source, uint32_t reason)
{
	return kernel_lost(live_of(source)->kernel, reason);
}

static void live_close(struct source *source)
{
	struct live *live = live_of(source);

	ring_buffer__free(live->ring);
	snapshot_free(live->snapshot);
	counters_free(live->counters);
	kernel_close(live->kernel);
	netns_list_free(live->namespaces);
	free(live);
}

static const struct source_ops live_ops = {
	.name = "live",
	.fd = live_fd,
	.drain = live_drain,
	.scan = live_scan,
	.describe = live_describe,
	.find_fdless_owner = live_find_fdless_owner,
	.name_device = live_name_device,
	.read_counters = live_read_counters,
	.lost = live_lost,
	.close = live_close,
};

const struct kernel_fact *live_facts(const struct source *source)
{
	return kernel_facts(live_of(source)->kernel);
}

const char *live_probes(const struct source *source)
{
	return kernel_probes(live_of(source)->kernel);
}

bool live_counts_ports(const struct source *source)
{
	uint8_t *ports;

	return kernel_port_usage(live_of(source)->kernel, &ports) != NULL;
}

size_t live_netns_count(const struct source *source)
{
	return netns_list_count(live_of(source)->namespaces);
}

int live_netns_error(const struct source *source, size_t index, uint32_t *netns)
{
	const struct netns_list *namespaces = live_of(source)->namespaces;

	*netns = netns_list_get(namespaces, index);
	return netns_list_error(namespaces, index);
}

struct source *live_open(const struct kernel_options *options, source_event_fn event, void *context,
			 char *reason, size_t size)
{
	struct live *live = calloc(1, sizeof(*live));
	int err;

	if (!live)
		return NULL;
	*live = (struct live){.source.ops = &live_ops, .event = event, .context = context};
	live->kernel = kernel_open(options, reason, size);
	if (!live->kernel)
		goto fail;
	live->namespaces = netns_list_new();
	if (live->namespaces)
		live->snapshot = snapshot_new(live->kernel, live->namespaces);
	if (live->snapshot && (options->facts || options->port))
		live->ring = ring_buffer__new(bpf_map__fd(kernel_map(live->kernel, "ring")), ring_event, live,
					      NULL);
	if (live->ring && options->facts)
		live->counters = counters_new(live->kernel, live->namespaces, event, context);
	if (live->counters || (live->snapshot && !options->facts && !options->port) ||
	    (live->ring && !options->facts))
		return &live->source;
	snprintf(reason, size, "reading the events of the kernel: %s", strerror(errno));
fail:
	err = errno;
	live_close(&live->source);
	errno = err;
	return NULL;
}
