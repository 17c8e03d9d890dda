/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where events come from: the running kernel, or in a unit test a fake.
 *
 * drain() and report_interval() hand events to the callback that the source was opened with. Every other
 * operation is a question: the answer is in its result when the call returns, and the callback is not called.
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

/* Which of the existing sockets scan() returns. All zero: those that pass the filters of the source, in every
 * network namespace. With any field set the filters do not count. */
struct socket_query {
	uint32_t netns;		 /* 0: every network namespace */
	/* 0: every port; else only sockets on this one. With `netns`, sockets of other namespaces come too
	 * where a process has them open: these cost nothing more. */
	uint16_t port;
	uint16_t port_high; /* not 0: all from `port` to this one, in `netns` only */
	bool idle;	    /* of the sockets with a descriptor only those in state CLOSE; the others are found
			     * in the kernel's tables */
	/* Of `port` in `netns`: dump the kernel's table of `protocol`, if the kernel lets it be read. `done` is
	 * 0 afterwards if it does not, and the sockets were found another way. NULL: no dump. */
	uint16_t protocol;
	const char *device; /* that the caller is bound to, by name or number; "": to none */
	struct bucket_dump *walk;
};

/* How many sockets find_fds() takes at once. */
#define SCAN_COOKIES_MAX 64

/* The counters of one network namespace between two intervals, as wire_netns to be applied in this order: the
 * counters at the start of its first interval, if those were not sent yet, then the current ones. */
struct netns_reading {
	struct wire_netns events[2];
	size_t count;
};

struct source;

struct source_ops {
	const char *name;
	/* Readable when drain() has something to do. */
	int (*fd)(const struct source *source);
	/* Hands over the events that have arrived, at most `max`; returns their number, or -errno. */
	int (*drain)(struct source *source, size_t max);
	/*
	 * Ends an interval: hands over the counters and settings of the namespaces in which something changed
	 * (source/counters.h). The first call begins the first interval. last: nothing follows, so the ports
	 * are counted whatever that costs.
	 */
	void (*report_interval)(struct source *source, bool last);
	/*
	 * Finds the sockets that exist now. They may be many, so each goes to `event` as a wire_socket instead of
	 * into a list. 0 or -errno. A namespace that has gone meanwhile is skipped.
	 */
	int (*scan)(struct source *source, const struct socket_query *query, source_event_fn event, void *context);
	/*
	 * Finds every descriptor of up to SCAN_COOKIES_MAX sockets, in every process: one wire_socket for each.
	 * Reads the descriptor table of every process, some milliseconds for some thousand processes.
	 */
	void (*find_fds)(struct source *source, const uint64_t *cookies, size_t count, struct socket_list *found);
	/*
	 * Finds the processes that have a socket without a descriptor of it, as wire_socket with WIRE_FDLESS.
	 * `socket` has an inode number. Takes up to 200 ms: only for a socket of which find_fds() finds nothing.
	 */
	void (*find_fdless_owner)(struct source *source, const struct wire_socket *socket,
				  struct socket_list *found);
	/* Reads /proc/PID of a process; 0, or -ESRCH when it has gone. */
	int (*read_process)(struct source *source, const struct wire_task *task, struct wire_process *process);
	/* Whether the process (pid and start time) still exists; true when that cannot be told. */
	bool (*process_is_alive)(struct source *source, const struct wire_task *task);
	/* Reads the name of a network device; 0 or -errno. */
	int (*read_interface)(struct source *source, uint32_t netns, uint32_t ifindex,
			      struct wire_interface *interface);
	/* Reads counters and settings of one network namespace; its interval goes on. 0 or -errno. */
	int (*read_counters)(struct source *source, uint32_t netns, struct netns_reading *reading);
	/* A path by which a command can enter the network namespace; "": it is porttrace's own. 0, or -ESRCH. */
	int (*netns_path)(struct source *source, uint32_t netns, char *path, size_t size);
	/* Events lost so far, by wire_lost_reason. */
	uint64_t (*lost)(const struct source *source, uint32_t reason);
	void (*close)(struct source *source);
};

struct source {
	const struct source_ops *ops;
};

#endif
