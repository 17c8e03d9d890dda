/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A source that returns the contents of arrays and counts its calls. A test fails if the code under test calls the
 * source again before the first call has returned.
 */
#ifndef PORTTRACE_TESTS_FAKE_SOURCE_H
#define PORTTRACE_TESTS_FAKE_SOURCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>

#include <cmocka.h>

#include "source/source.h"
#include "wire_make.h"

#define FAKE_SOCKETS 16

struct fake_source {
	struct source source;
	struct wire_socket fds[FAKE_SOCKETS];	  /* what find_fds() chooses from by cookie */
	struct wire_socket owners[FAKE_SOCKETS];  /* what find_fdless_owner() returns */
	struct wire_socket sockets[FAKE_SOCKETS]; /* what scan() returns */
	size_t fd_count, owner_count, socket_count;
	uint64_t found_boot_ns; /* hdr.boot_ns of the descriptors */
	uint64_t took_ns;	/* duration of find_fds() and find_fdless_owner() */
	uint64_t alive_start_boot_ns; /* only the process with this start is alive */
	bool is_incomplete, is_busy;
	unsigned int fd_scans, owner_searches, scans, processes, counters, interfaces;
	size_t cookies_asked; /* number of cookies of the last find_fds() */
};

static inline struct fake_source *fake_enter(struct source *source)
{
	struct fake_source *fake = (struct fake_source *)source;

	assert_false(fake->is_busy);
	fake->is_busy = true;
	return fake;
}

static inline void fake_find_fds(struct source *source, const uint64_t *cookies, size_t count,
				 struct socket_list *found)
{
	struct fake_source *fake = fake_enter(source);

	fake->fd_scans++;
	fake->cookies_asked = count;
	socket_list_clear(found);
	found->took_ns = fake->took_ns;
	found->is_complete = !fake->is_incomplete;
	for (size_t i = 0; i < fake->fd_count; i++) {
		fake->fds[i].hdr.boot_ns = fake->found_boot_ns;
		for (size_t j = 0; j < count; j++) {
			if (fake->fds[i].sock.cookie == cookies[j])
				socket_list_add(found, &fake->fds[i]);
		}
	}
	fake->is_busy = false;
}

static inline void fake_find_fdless_owner(struct source *source, const struct wire_socket *socket,
					  struct socket_list *found)
{
	struct fake_source *fake = fake_enter(source);

	fake->owner_searches++;
	socket_list_clear(found);
	found->took_ns = fake->took_ns;
	for (size_t i = 0; i < fake->owner_count; i++) {
		if (fake->owners[i].sock.cookie == socket->sock.cookie)
			socket_list_add(found, &fake->owners[i]);
	}
	fake->is_busy = false;
}

static inline int fake_scan(struct source *source, const struct socket_query *query, source_event_fn event,
			    void *context)
{
	struct fake_source *fake = fake_enter(source);

	(void)query;
	fake->scans++;
	for (size_t i = 0; i < fake->socket_count; i++)
		event(context, &fake->sockets[i], sizeof(fake->sockets[i]));
	fake->is_busy = false;
	return 0;
}

/* Every process exists and is called /exe/PID. */
static inline int fake_read_process(struct source *source, const struct wire_task *task, bool with_origin,
				    struct wire_process *process)
{
	struct fake_source *fake = fake_enter(source);

	fake->processes++;
	*process = (struct wire_process){.hdr = MAKE_HDR(PROCESS, process, 1), .task = *task};
	snprintf(process->exe, sizeof(process->exe), "/exe/%u", task->pid);
	process->flags = with_origin ? WIRE_PROCESS_ORIGIN : 0;
	fake->is_busy = false;
	return 0;
}

static inline bool fake_process_is_alive(struct source *source, const struct wire_task *task)
{
	return task->start_boot_ns == ((struct fake_source *)source)->alive_start_boot_ns;
}

static inline int fake_read_interface(struct source *source, uint32_t netns, uint32_t ifindex,
				      struct wire_interface *interface)
{
	struct fake_source *fake = fake_enter(source);

	fake->interfaces++;
	*interface = (struct wire_interface){
		.hdr = MAKE_HDR(INTERFACE, interface, 1), .netns = netns, .ifindex = ifindex};
	snprintf(interface->name, sizeof(interface->name), "eth%u", ifindex);
	fake->is_busy = false;
	return 0;
}

/* Port 4789 is vx0's. */
static inline int fake_read_tunnel(struct source *source, uint32_t netns, uint16_t port, struct wire_interface *interface)
{
	struct fake_source *fake = fake_enter(source);

	*interface = (struct wire_interface){.hdr = MAKE_HDR(INTERFACE, interface, 1), .netns = netns, .ifindex = 5,
					     .name = "vx0", .tunnel = "vxlan", .tunnel_port = port};
	fake->is_busy = false;
	return port == 4789 ? 0 : -ENOENT;
}

/* The range 40000-40003; events[0] is a baseline, as for a namespace without an earlier report. */
static inline int fake_read_counters(struct source *source, uint32_t netns, struct netns_reading *reading)
{
	struct fake_source *fake = fake_enter(source);

	fake->counters++;
	reading->count = 2;
	for (size_t i = 0; i < 2; i++) {
		reading->events[i] = make_netns(1 + i, netns);
		reading->events[i].range_low = 40000;
		reading->events[i].range_high = 40003;
	}
	fake->is_busy = false;
	return 0;
}

static inline int fake_netns_path(struct source *source, uint32_t netns, char *path, size_t size)
{
	(void)source;
	(void)netns;
	(void)size;
	path[0] = '\0';
	return 0;
}

static const struct source_ops fake_ops = {
	.name = "fake",
	.find_fds = fake_find_fds,
	.find_fdless_owner = fake_find_fdless_owner,
	.scan = fake_scan,
	.read_process = fake_read_process,
	.process_is_alive = fake_process_is_alive,
	.read_interface = fake_read_interface,
	.read_tunnel = fake_read_tunnel,
	.read_counters = fake_read_counters,
	.netns_path = fake_netns_path,
};

/* A process that has the socket open. */
static inline void fake_add_fd(struct fake_source *fake, uint64_t cookie, uint32_t pid, int fd)
{
	fake->fds[fake->fd_count++] = make_socket(0, cookie, WIRE_TCP_LISTEN, pid, fd);
}

#endif
