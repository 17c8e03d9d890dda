/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every socket that has a port, keyed by its cookie.
 *
 * At `capacity` the table evicts the entry that expires first, else the least recently seen one. `forgotten` counts
 * the former: a TIME_WAIT that a scan of the kernel can still find, with its owner. `evicted` counts the latter, and
 * descriptors that are not kept: those beyond PORT_FDS_MAX of a socket, or beyond 4 times the capacity of all. Memory
 * is allocated in chunks as the table grows and returned to the system as it empties.
 */
#ifndef PORTTRACE_MODEL_PORT_TABLE_H
#define PORTTRACE_MODEL_PORT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "porttrace/wire.h"

/* A descriptor by which a process has a socket open. */
struct port_fd {
	struct port_fd *next;
	struct wire_task task;
	int fd;
};

#define PORT_FDS_MAX 1024
#define PORT_QUEUE_MAX ((1U << 28) - 1)
struct port_entry {
	struct wire_sock sock;
	struct wire_task owner;	   /* the process that took the port; pid 0: not known */
	uint64_t since_boot_ns;	   /* when it took the port; 0: before porttrace began */
	uint64_t seen_boot_ns;	   /* time of the newest event about the socket */
	uint64_t expires_boot_ns;  /* TIME_WAIT: when it ends; 0: not a TIME_WAIT. Set by port_table_set_expiry() */
	struct port_fd *fds;	   /* of the last scan; NULL: none, or not scanned */
	uint32_t backlog;	   /* LISTEN; UDP: the size of the receive buffer, in bytes */
	uint32_t substate : 4;	   /* TIME_WAIT: FIN_WAIT2 or TIME_WAIT; 0: not known */
	uint32_t queue : 28;	   /* at the last scan, at most PORT_QUEUE_MAX. LISTEN: connections that wait for accept(); UDP: bytes to receive */
};

/* The first process that has the socket open, else the one that took the port (pid 0: not known). */
const struct wire_task *port_entry_task(const struct port_entry *entry);

struct port_table;

/* capacity: entries, at least 1; expiring: how many of them may be TIME_WAITs. NULL with errno ENOMEM. */
struct port_table *port_table_new(size_t capacity, size_t expiring);
void port_table_free(struct port_table *table);

/* NULL: no such socket. Borrowed until the next call that adds or drops. */
struct port_entry *port_table_find(struct port_table *table, uint64_t cookie);
/* The entry of `cookie`, added if there is none, and now the most recently seen. NULL with errno ENOMEM. */
struct port_entry *port_table_add(struct port_table *table, uint64_t cookie);
void port_table_drop(struct port_table *table, uint64_t cookie);
/* Changes expires_boot_ns and the order of eviction with it. 0: does not expire. */
void port_table_set_expiry(struct port_table *table, struct port_entry *entry,
			   uint64_t expires_boot_ns);
/* Adds or updates a descriptor; the first one found stays first. 0 or -ENOMEM. */
int port_table_add_fd(struct port_table *table, struct port_entry *entry,
		      const struct wire_task *task, int fd);
void port_table_clear_fds(struct port_table *table, struct port_entry *entry);
/* Drops the entries that expire at or before now_boot_ns; returns how many. */
size_t port_table_expire(struct port_table *table, uint64_t now_boot_ns);

size_t port_table_count(const struct port_table *table);
uint64_t port_table_evicted(const struct port_table *table);
/* TIME_WAITs that were evicted before their end. */
uint64_t port_table_forgotten(const struct port_table *table);

/* Walks in insertion order: entry = NULL for the first; NULL at the end. */
const struct port_entry *port_table_next(const struct port_table *table,
					 const struct port_entry *entry);

#endif
