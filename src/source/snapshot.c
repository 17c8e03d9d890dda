/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The task_file iterator returns the descriptors of every process, whatever their namespace. Those of tcp and
 * udp return the sockets of one namespace, so they are opened from within each.
 */
#include "source/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "system/device.h"
#include "source/iterator.h"

enum { SCAN_FILES, SCAN_TCP, SCAN_UDP, SCAN_PROGRAMS };

struct snapshot {
	struct kernel *kernel;
	struct netns_list *namespaces;
	struct bpf_link *links[SCAN_PROGRAMS];
	struct bpf_program *walk; /* dumps a port, instead of tcp and udp; NULL: this kernel cannot */
};

struct delivery {
	struct snapshot *snapshot;
	source_event_fn event;
	void *context;
};

struct snapshot *snapshot_new(struct kernel *kernel, struct netns_list *namespaces)
{
	static const char *const names[SCAN_PROGRAMS] = {
		[SCAN_FILES] = "snapshot_files",
		[SCAN_TCP] = "snapshot_tcp",
		[SCAN_UDP] = "snapshot_udp",
	};
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (!snapshot)
		return NULL;
	snapshot->kernel = kernel;
	snapshot->namespaces = namespaces;
	snapshot->walk = kernel_program(kernel, "holder_walk");
	for (int i = 0; i < SCAN_PROGRAMS; i++) {
		struct bpf_program *program = kernel_program(kernel, names[i]);

		snapshot->links[i] = program ? bpf_program__attach_iter(program, NULL) : NULL;
		if (!snapshot->links[i] && (program || i == SCAN_FILES || !snapshot->walk)) {
			errno = program ? errno : ENOTSUP;
			goto fail;
		}
	}
	return snapshot;
fail:
	snapshot_free(snapshot);
	return NULL;
}

void snapshot_free(struct snapshot *snapshot)
{
	int err = errno;

	if (!snapshot)
		return;
	for (int i = 0; i < SCAN_PROGRAMS; i++)
		bpf_link__destroy(snapshot->links[i]);
	free(snapshot);
	errno = err;
}

/* Hands over the complete events in the buffer; returns the number of bytes left, of an incomplete one. */
static size_t deliver(void *context, const char *data, size_t size)
{
	const struct delivery *to = context;
	size_t at = 0;

	while (size - at >= sizeof(struct wire_hdr)) {
		const struct wire_socket *event = (const void *)(data + at);

		if (event->hdr.size < sizeof(struct wire_hdr) || event->hdr.size > size - at)
			break;
		if (event->fd >= 0)
			netns_list_add_socket(to->snapshot->namespaces, event->sock.netns,
					      event->task.pid, event->fd);
		to->event(to->context, event, event->hdr.size);
		at += event->hdr.size;
	}
	return size - at;
}

static int run(struct delivery *to, int program)
{
	return iterator_run(to->snapshot->links[program], deliver, to);
}

/* The program runs in this process. It finds the namespace through a socket that this process creates there. */
static int walk_in(const struct delivery *to, const struct socket_query *query)
{
	struct netns_list *namespaces = to->snapshot->namespaces;
	int type = query->protocol == IPPROTO_TCP || query->protocol == IPPROTO_MPTCP ? SOCK_STREAM : SOCK_DGRAM;
	struct bucket_dump *walk = kernel_bucket_dump(to->snapshot->kernel);
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int err, fd;

	if (netns_enter(namespaces, query->netns))
		return 0;
	/* IPv4 and IPv6 use the same tables. */
	fd = socket(AF_INET, type | SOCK_CLOEXEC, type == SOCK_STREAM ? IPPROTO_TCP : query->protocol);
	err = fd < 0 ? -errno : 0;
	*walk = (struct bucket_dump){
		.fd = (__u32)fd,
		.port = query->port,
		.l3mdev = device_l3mdev(device_index(query->device)),
	};
	netns_leave(namespaces);
	if (err)
		return err;
	err = bpf_prog_test_run_opts(bpf_program__fd(to->snapshot->walk), &options);
	close(fd);
	*query->walk = *walk;
	return err;
}

static int run_in(struct delivery *to, uint32_t netns)
{
	struct netns_list *namespaces = to->snapshot->namespaces;
	int err = netns_enter(namespaces, netns);

	/* netns_list_error() keeps the reason for the command to report. */
	if (err)
		return 0;
	err = run(to, SCAN_TCP);
	if (!err)
		err = run(to, SCAN_UDP);
	netns_leave(namespaces);
	return err;
}

int snapshot_scan(struct snapshot *snapshot, const struct socket_query *query, source_event_fn event,
		  void *context)
{
	struct delivery to = {.snapshot = snapshot, .event = event, .context = context};
	struct scan_settings *settings = kernel_scan_settings(snapshot->kernel);
	int err;

	*settings = (struct scan_settings){
		.netns = query->netns,
		.port = query->port,
		.port_high = query->port_high,
		.idle = query->idle,
		.servers = query->servers,
	};
	/* Scanned before the namespaces are entered: a descriptor may lead into a namespace that only a
	 * socket keeps. */
	netns_list_scan(snapshot->namespaces);
	err = run(&to, SCAN_FILES);
	if (err || query->servers)
		return err;
	if (query->walk && snapshot->walk) {
		err = walk_in(&to, query);
		if (err || query->walk->done)
			return err;
	}
	if (query->netns)
		return run_in(&to, query->netns);
	for (size_t i = 0; !err && i < netns_list_count(snapshot->namespaces); i++)
		err = run_in(&to, netns_list_get(snapshot->namespaces, i));
	return err;
}

int snapshot_find_fds(struct snapshot *snapshot, const uint64_t *cookies, size_t count,
		      struct socket_list *found)
{
	struct delivery to = {.snapshot = snapshot, .event = socket_list_add_event, .context = found};
	struct scan_settings *settings = kernel_scan_settings(snapshot->kernel);
	int err;

	if (count > SCAN_COOKIES_MAX)
		count = SCAN_COOKIES_MAX;
	*settings = (struct scan_settings){.cookie_count = (__u32)count};
	memcpy(settings->cookies, cookies, count * sizeof(*cookies));
	err = run(&to, SCAN_FILES);
	found->is_complete &= !err;
	return err;
}
