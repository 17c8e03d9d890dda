/* SPDX-License-Identifier: GPL-2.0-only */
/* Joins the programs' ring buffer with looks at what exists and with the counters of each namespace. */
#include "source/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <net/if.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "source/netns.h"
#include "source/process.h"
#include "source/sample.h"
#include "source/snapshot.h"
#include "util/clock.h"

struct live {
	struct source source;
	struct kernel *kernel;
	struct netns_list *namespaces;
	struct snapshot *snapshot;
	struct ring_buffer *ring;
	struct sampler *sampler;
	source_event_fn event;
	void *context;
};

static struct live *live_of(const struct source *source)
{
	return (struct live *)source;
}

static int ring_event(void *context, void *data, size_t size)
{
	struct live *live = context;

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

static int live_look(struct source *source, const struct look *look)
{
	struct live *live = live_of(source);

	return snapshot_look(live->snapshot, look, live->event, live->context);
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

static void live_sample(struct source *source, uint32_t netns, bool last)
{
	struct live *live = live_of(source);

	if (netns)
		sampler_ask(live->sampler, netns);
	else
		sampler_interval(live->sampler, last);
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
	sampler_free(live->sampler);
	kernel_close(live->kernel);
	netns_list_free(live->namespaces);
	free(live);
}

static const struct source_ops live_ops = {
	.name = "live",
	.fd = live_fd,
	.drain = live_drain,
	.look = live_look,
	.describe = live_describe,
	.name_device = live_name_device,
	.sample = live_sample,
	.lost = live_lost,
	.close = live_close,
};

const struct kernel_fact *live_facts(const struct source *source)
{
	return kernel_facts(live_of(source)->kernel);
}

size_t live_netns_count(const struct source *source)
{
	return netns_list_count(live_of(source)->namespaces);
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
	if (live->snapshot && options->facts)
		live->ring = ring_buffer__new(bpf_map__fd(kernel_map(live->kernel, "ring")), ring_event, live,
					      NULL);
	if (live->ring)
		live->sampler = sampler_new(live->kernel, live->namespaces, event, context);
	if (live->sampler || (live->snapshot && !options->facts))
		return &live->source;
	snprintf(reason, size, "reading the events of the kernel: %s", strerror(errno));
fail:
	err = errno;
	live_close(&live->source);
	errno = err;
	return NULL;
}
