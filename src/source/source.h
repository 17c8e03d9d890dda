/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The source of events: the running kernel, or a fake in unit tests.
 *
 * drain() and report_interval() pass events to the callback that the source was opened with. All other
 * operations return their result to the caller and do not call that callback.
 */
#ifndef PORTTRACE_SOURCE_SOURCE_H
#define PORTTRACE_SOURCE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/bucket_dump.h"
#include "porttrace/wire.h"
#include "source/socket_list.h"

/* `data` is aligned to 8 and valid during the call only. The callback must not use the source. */
typedef void (*source_event_fn)(void *context, const void *data, size_t size);

/* Selects the sockets that scan() returns. All zero: the sockets in every network namespace that pass the
 * filters of the source. If any field is set, the filters are not applied. */
struct socket_query {
	uint32_t netns;		 /* 0: every network namespace */
	/* not 0: only sockets on this port. With `netns`, sockets of other namespaces are returned too if a
	 * process has them open, because that costs nothing. */
	uint16_t port;
	uint16_t port_high; /* not 0: all from `port` to this one, in `netns` only */
	bool idle;	    /* of the sockets with a descriptor only those in state CLOSE; the kernel's tables
			     * have the others */
	/* Only sockets with a descriptor that listen, or are bound and not connected, in every network namespace. Reads
	 * the descriptor table of every process. */
	bool servers;
	/* Dumps the kernel's table of `protocol` for `port` in `netns`, if the kernel can. If it cannot,
	 * `done` is 0 afterwards and iterators found the sockets. NULL: no dump. */
	uint16_t protocol;
	const char *device; /* the device that the caller is bound to, by name or number; "": none */
	struct bucket_dump *walk;
};

#define SOURCE_LIMITS_SIZE 512 /* of the text of limits() */

/* The most sockets that one find_fds() accepts. */
#define SCAN_COOKIES_MAX 64

/* The counters of one network namespace, read during an interval. Apply the events in this order: the
 * counters at the start of its first interval, if not sent yet, then the current ones. */
struct netns_reading {
	struct wire_netns events[2];
	size_t count;
};

struct source;

struct source_ops {
	const char *name;
	/* A descriptor that is readable when drain() has events. */
	int (*fd)(const struct source *source);
	/* Passes on the events that have arrived, at most `max`; returns their number, or -errno. */
	int (*drain)(struct source *source, size_t max);
	/*
	 * Ends an interval: passes on the counters and settings of the namespaces in which something changed
	 * (source/counters.h). The first call begins the first interval. last: the final interval; the ports
	 * are counted regardless of cost.
	 */
	void (*report_interval)(struct source *source, bool last);
	/*
	 * Finds the existing sockets. They may be many, so each is passed to `event` as a wire_socket and not
	 * collected in a list. 0 or -errno. A namespace that ends meanwhile is skipped.
	 */
	int (*scan)(struct source *source, const struct socket_query *query, source_event_fn event, void *context);
	/*
	 * Finds every descriptor of up to SCAN_COOKIES_MAX sockets in every process: one wire_socket each.
	 * Reads the descriptor table of every process; a few ms for a few thousand processes.
	 */
	void (*find_fds)(struct source *source, const uint64_t *cookies, size_t count, struct socket_list *found);
	/*
	 * Finds the processes that hold a socket without a descriptor, as wire_socket with WIRE_FDLESS.
	 * `socket` has an inode number. Takes up to 200 ms of CPU time: call it only for a socket for which find_fds()
	 * found nothing.
	 */
	void (*find_fdless_owner)(struct source *source, const struct wire_socket *socket,
				  struct socket_list *found);
	/* Reads /proc/PID of a process; with_origin: directory, user, parents and what starts it again too. 0, or -ESRCH:
	 * it has exited. */
	int (*read_process)(struct source *source, const struct wire_task *task, bool with_origin,
			    struct wire_process *process);
	/* Whether the process (pid and start time) exists; true if that is not known. */
	bool (*process_is_alive)(struct source *source, const struct wire_task *task);
	/* Reads the name of a network device; 0 or -errno. */
	int (*read_interface)(struct source *source, uint32_t netns, uint32_t ifindex,
			      struct wire_interface *interface);
	/* Finds the tunnel device whose kernel socket has this UDP port; 0, -ENOENT, or -errno. */
	int (*read_tunnel)(struct source *source, uint32_t netns, uint16_t port, struct wire_interface *interface);
	/* Reads counters and settings of one network namespace without ending its interval. 0 or -errno. */
	int (*read_counters)(struct source *source, uint32_t netns, struct netns_reading *reading);
	/* A path by which a command can enter the network namespace; "": it is porttrace's own. 0, or -ESRCH. */
	int (*netns_path)(struct source *source, uint32_t netns, char *path, size_t size);
	/* Events lost since the start, for a wire_lost_reason. */
	uint64_t (*lost)(const struct source *source, uint32_t reason);
	/* What the scans of this source could not see, in one line; "": nothing. NULL: it always sees everything. */
	void (*limits)(const struct source *source, char *text, size_t size);
	void (*close)(struct source *source);
};

struct source {
	const struct source_ops *ops;
	bool in_pid_namespace; /* descriptors of processes outside it are not found */
};

#endif
