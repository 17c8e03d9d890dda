/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The live port table: every socket that has a port, keyed by its cookie.
 *
 * Bounded: at `capacity` the entry that expires first, else the one longest unseen, makes room.
 * `evicted` counts the latter, `forgotten` the former: a TIME_WAIT that goes early is one that the
 * kernel still has, with its owner, for whoever asks. Descriptors beyond PORT_FDS_MAX of one socket, or beyond four for each entry
 * of the capacity, are not kept and counted there too. Memory is taken in chunks as the table grows
 * and given back as it empties, so a storm leaves nothing behind.
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
struct port_entry {
	struct wire_sock sock;
	struct wire_task owner;	   /* who took the port; pid 0: not seen */
	uint64_t since_boot_ns;	   /* when; 0: before porttrace */
	uint64_t seen_boot_ns;	   /* of the newest event about it */
	uint64_t expires_boot_ns;  /* TIME_WAIT: when it ends; 0: does not. See _set_expiry() */
	struct port_fd *fds;	   /* as the last look found them; NULL: none, or none looked for */
	uint32_t backlog;	   /* LISTEN */
	uint32_t substate;	   /* TIME_WAIT: FIN_WAIT2 or TIME_WAIT; 0: not seen */
};

struct port_table;

/* NULL with errno ENOMEM. capacity: entries, at least 1; expiring: how many of them may be TIME_WAIT. */
struct port_table *port_table_new(size_t capacity, size_t expiring);
void port_table_free(struct port_table *table);

/* Borrowed until the next call that adds or drops. NULL: no such socket. */
struct port_entry *port_table_find(struct port_table *table, uint64_t cookie);
/* The entry of `cookie`, made empty when there is none, and marked as just seen. NULL with errno
 * ENOMEM. */
struct port_entry *port_table_add(struct port_table *table, uint64_t cookie);
void port_table_drop(struct port_table *table, uint64_t cookie);
/* The one way to change expires_boot_ns, by which the table is ordered. 0: does not expire. */
void port_table_set_expiry(struct port_table *table, struct port_entry *entry,
			   uint64_t expires_boot_ns);
/* Adds or refreshes a descriptor, in order of discovery. 0 or -ENOMEM. */
int port_table_add_fd(struct port_table *table, struct port_entry *entry,
		      const struct wire_task *task, int fd);
void port_table_clear_fds(struct port_table *table, struct port_entry *entry);
/* Drops what expired at or before now_boot_ns; returns how many. */
size_t port_table_expire(struct port_table *table, uint64_t now_boot_ns);

size_t port_table_count(const struct port_table *table);
uint64_t port_table_evicted(const struct port_table *table);
/* TIME_WAITs that made room before their end. */
uint64_t port_table_forgotten(const struct port_table *table);

/* Walks in insertion order: entry = NULL for the first; NULL at the end. */
const struct port_entry *port_table_next(const struct port_table *table,
					 const struct port_entry *entry);

#endif
