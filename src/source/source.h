/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where events come from: the running kernel, or a capture of one. A source hands every event to a
 * callback and knows neither the model nor the screen.
 */
#ifndef PORTTRACE_SOURCE_SOURCE_H
#define PORTTRACE_SOURCE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/bucket_dump.h"
#include "porttrace/wire.h"

/* `data` is aligned to 8 and valid during the call only. */
typedef void (*source_event_fn)(void *context, const void *data, size_t size);

/* A question about sockets that exist now; the answer is wire_socket events. */
struct socket_query {
	uint64_t failure_id;	 /* 0: a snapshot */
	uint32_t netns;		 /* 0: every network namespace */
	/* 0: every port; else only sockets on this one. With `netns`, those of other namespaces come too
	 * where a process has them open: these cost nothing more. */
	uint16_t port;
	uint16_t port_high; /* not 0: all from `port` to this one, in `netns` only */
	bool idle;	    /* descriptors only of what else is not found: TCP, bound and idle */
	/* Of `port` in `netns`: what the kernel has in the tables of `protocol`, if it can be asked; else
	 * `done` is 0 afterwards, and the sockets were found another way. NULL: no walk. */
	uint16_t protocol;
	const char *device; /* that the caller is bound to, by name or number; "": to none */
	struct bucket_dump *walk;
	const uint64_t *cookies; /* only these sockets, by their descriptors */
	size_t cookie_count;	 /* 0: every socket */
};

#define SCAN_COOKIES_MAX 64

struct source;

struct source_ops {
	const char *name;
	/* Readable when drain() has something to do. */
	int (*fd)(const struct source *source);
	/* Hands over what has arrived; the number of events, or -errno. */
	int (*drain)(struct source *source);
	/* 0 or -errno; events come before it returns. */
	int (*scan)(struct source *source, const struct socket_query *look);
	/* What /proc says of a process, as a wire_process event; nothing when it has gone. */
	void (*describe)(struct source *source, const struct wire_task *task);
	/* Who has this socket without a descriptor of it, as wire_socket events with WIRE_FDLESS. Slow: for
	 * a socket with an inode that no look has found with anybody. */
	void (*find_fdless_owner)(struct source *source, const struct wire_socket *holder);
	/* The name of a device, as a wire_interface event. */
	void (*name_device)(struct source *source, uint32_t netns, uint32_t ifindex);
	/* Counters and settings of the namespaces in which something changed, or of this one (not 0), as
	 * wire_netns, and what goes with it (source/sample.h). last: nothing will follow, so spare no cost. */
	void (*read_counters)(struct source *source, uint32_t netns, bool last);
	/* Events lost so far, by wire_lost_reason. */
	uint64_t (*lost)(const struct source *source, uint32_t reason);
	void (*close)(struct source *source);
};

struct source {
	const struct source_ops *ops;
};

#endif
