/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * task_file sees the descriptors of every process in every namespace at once; tcp and udp see one
 * namespace, so they are opened from within each.
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

enum { LOOK_FILES, LOOK_TCP, LOOK_UDP, LOOK_PROGRAMS };

struct snapshot {
	struct kernel *kernel;
	struct netns_list *namespaces;
	struct bpf_link *links[LOOK_PROGRAMS];
	struct bpf_program *walk; /* in the place of tcp and udp; or NULL */
};

struct delivery {
	struct snapshot *snapshot;
	source_event_fn event;
	void *context;
};

struct snapshot *snapshot_new(struct kernel *kernel, struct netns_list *namespaces)
{
	static const char *const names[LOOK_PROGRAMS] = {
		[LOOK_FILES] = "snapshot_files",
		[LOOK_TCP] = "snapshot_tcp",
		[LOOK_UDP] = "snapshot_udp",
	};
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (!snapshot)
		return NULL;
	snapshot->kernel = kernel;
	snapshot->namespaces = namespaces;
	snapshot->walk = kernel_program(kernel, "holder_walk");
	for (int i = 0; i < LOOK_PROGRAMS; i++) {
		struct bpf_program *program = kernel_program(kernel, names[i]);

		snapshot->links[i] = program ? bpf_program__attach_iter(program, NULL) : NULL;
		if (!snapshot->links[i] && (program || i == LOOK_FILES || !snapshot->walk)) {
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
	for (int i = 0; i < LOOK_PROGRAMS; i++)
		bpf_link__destroy(snapshot->links[i]);
	free(snapshot);
	errno = err;
}

/* Hands over the whole events in the buffer; returns how many bytes of a cut one remain. */
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

/* The program runs in this process, and finds the namespace by a socket of it. */
static int walk_in(const struct delivery *to, const struct socket_query *look)
{
	struct netns_list *namespaces = to->snapshot->namespaces;
	int type = look->protocol == IPPROTO_TCP || look->protocol == IPPROTO_MPTCP ? SOCK_STREAM : SOCK_DGRAM;
	struct bucket_dump *walk = kernel_bucket_dump(to->snapshot->kernel);
	LIBBPF_OPTS(bpf_test_run_opts, options);
	int err, fd;

	if (netns_enter(namespaces, look->netns))
		return 0;
	/* IPv4 or IPv6, the tables are the same. */
	fd = socket(AF_INET, type | SOCK_CLOEXEC, type == SOCK_STREAM ? IPPROTO_TCP : look->protocol);
	err = fd < 0 ? -errno : 0;
	*walk = (struct bucket_dump){
		.fd = (__u32)fd,
		.port = look->port,
		.l3mdev = device_l3mdev(device_index(look->device)),
	};
	netns_leave(namespaces);
	if (err)
		return err;
	err = bpf_prog_test_run_opts(bpf_program__fd(to->snapshot->walk), &options);
	close(fd);
	*look->walk = *walk;
	return err;
}

static int run_in(struct delivery *to, uint32_t netns)
{
	struct netns_list *namespaces = to->snapshot->namespaces;
	int err = netns_enter(namespaces, netns);

	/* netns_list_error() keeps the reason for the command to report. */
	if (err)
		return 0;
	err = run(to, LOOK_TCP);
	if (!err)
		err = run(to, LOOK_UDP);
	netns_leave(namespaces);
	return err;
}

int snapshot_scan(struct snapshot *snapshot, const struct socket_query *look, source_event_fn event,
		  void *context)
{
	struct delivery to = {.snapshot = snapshot, .event = event, .context = context};
	struct scan_settings *settings = kernel_scan_settings(snapshot->kernel);
	int err;

	settings->failure_id = look->failure_id;
	settings->netns = look->netns;
	settings->port = look->port;
	settings->port_high = look->port_high;
	settings->idle = look->idle;
	settings->cookie_count = look->cookie_count < SCAN_COOKIES_MAX ? look->cookie_count :
									    SCAN_COOKIES_MAX;
	memset(settings->cookies, 0, sizeof(settings->cookies));
	if (look->cookie_count) {
		memcpy(settings->cookies, look->cookies,
		       settings->cookie_count * sizeof(*look->cookies));
		return run(&to, LOOK_FILES);
	}
	/* First, for the files add the namespaces that only a socket keeps. */
	netns_list_scan(snapshot->namespaces);
	err = run(&to, LOOK_FILES);
	if (err)
		return err;
	if (look->walk && snapshot->walk) {
		err = walk_in(&to, look);
		if (err || look->walk->done)
			return err;
	}
	if (look->netns)
		return run_in(&to, look->netns);
	for (size_t i = 0; !err && i < netns_list_count(snapshot->namespaces); i++)
		err = run_in(&to, netns_list_get(snapshot->namespaces, i));
	return err;
}
