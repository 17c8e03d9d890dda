/* SPDX-License-Identifier: GPL-2.0-only */
#include "model/failure_ring.h"

#include <errno.h>
#include <stdlib.h>

void failure_ring_done(struct failure_ring *ring)
{
	for (unsigned int i = 0; i < FAILURES_MAX; i++)
		free(ring->failures[i].holders);
	*ring = (struct failure_ring){0};
}

const struct failure *failure_ring_find(const struct failure_ring *ring, uint64_t id)
{
	/* Newest first: that is usually the one requested. */
	for (unsigned int age = 1; id && age <= FAILURES_MAX; age++) {
		unsigned int i = (ring->next + FAILURES_MAX - age) % FAILURES_MAX;

		if (ring->failures[i].id == id)
			return &ring->failures[i];
	}
	return NULL;
}

static struct failure *failure_get(struct failure_ring *ring, uint64_t id)
{
	struct failure *failure = (struct failure *)failure_ring_find(ring, id);

	if (failure)
		return failure;
	failure = &ring->failures[ring->next];
	ring->next = (ring->next + 1) % FAILURES_MAX;
	free(failure->holders);
	*failure = (struct failure){.id = id};
	return failure;
}

/* Sockets without a cookie cannot be matched: each becomes a separate holder. */
static struct holder *holder_find(const struct failure *failure, uint64_t cookie)
{
	for (size_t i = 0; cookie && i < failure->holder_count; i++) {
		if (failure->holders[i].sock.cookie == cookie)
			return &failure->holders[i];
	}
	return NULL;
}

/* The capacity doubles from 1: most refused calls have one holder, and a holder takes 1.7 KiB. */
static struct holder *holder_add(struct failure *failure)
{
	size_t count = failure->holder_count;

	if (!(count & (count - 1))) {
		struct holder *grown = realloc(failure->holders,
					       (count ? 2 * count : 1) * sizeof(*grown));

		if (!grown)
			return NULL;
		failure->holders = grown;
	}
	failure->holder_count++;
	failure->holders[count] = (struct holder){0};
	return &failure->holders[count];
}

bool holder_has_pid(const struct holder *holder, uint32_t pid)
{
	for (size_t i = 0; i < holder->pid_count; i++) {
		if (holder->pids[i].pid == pid)
			return true;
	}
	return false;
}

void holder_add_pid(struct holder *holder, const struct wire_task *task, int fd)
{
	if (holder_has_pid(holder, task->pid))
		return;
	if (holder->pid_count == HOLDER_PIDS_MAX) {
		holder->pid_more++;
		return;
	}
	holder->fds[holder->pid_count] = fd;
	holder->pids[holder->pid_count++] = *task;
}

/* The port table knows the process that took the port, so its owner is preferred. The process that made the
 * kernel create a socket (`ip link add ... type vxlan`) does not hold that socket. */
static void holder_fill(struct holder *holder, const struct wire_socket *event,
			const struct port_entry *known)
{
	bool is_owned = !(holder->sock.flags & WIRE_KERNEL_OWNED);

	if (is_owned && !holder->owner.pid && known)
		holder->owner = known->owner;
	if (is_owned && !holder->owner.pid)
		holder->owner = event->task;
	if (!holder->inode)
		holder->inode = event->inode;
	if (!holder->since_boot_ns && known)
		holder->since_boot_ns = known->since_boot_ns;
	if (!holder->since_boot_ns)
		holder->since_boot_ns = event->since_boot_ns;
	if (!holder->expires_ms)
		holder->expires_ms = event->expires_ms;
	if (!holder->expires_ms && known && known->expires_boot_ns > event->hdr.boot_ns)
		holder->expires_ms = (known->expires_boot_ns - event->hdr.boot_ns) / 1000000;
	if (event->fd >= 0 && event->task.pid)
		holder_add_pid(holder, &event->task, event->fd);
}

int failure_ring_add(struct failure_ring *ring, const struct wire_socket *event,
		     const struct port_entry *known)
{
	struct failure *failure = failure_get(ring, event->failure_id);
	struct holder *holder = holder_find(failure, event->sock.cookie);

	if (!holder) {
		if (failure->holder_count == FAILURE_HOLDERS_MAX) {
			failure->holder_more++;
			return 0;
		}
		holder = holder_add(failure);
		if (!holder)
			return -ENOMEM;
		holder->sock = event->sock;
		holder->substate = event->substate;
		holder->backlog = event->backlog;
		holder->queue = event->queue;
	}
	holder_fill(holder, event, known);
	return 0;
}

void holder_from_entry(struct holder *holder, const struct port_entry *entry, uint64_t now_boot_ns)
{
	uint32_t last = 0;

	*holder = (struct holder){
		.sock = entry->sock,
		.owner = entry->owner,
		.since_boot_ns = entry->since_boot_ns,
		.substate = entry->substate,
		.backlog = entry->backlog,
	};
	if (entry->expires_boot_ns > now_boot_ns)
		holder->expires_ms = (uint32_t)((entry->expires_boot_ns - now_boot_ns) / 1000000);
	/* Descriptors of a process follow each other: a process that does not fit counts once. */
	for (const struct port_fd *fd = entry->fds; fd; fd = fd->next) {
		if (fd->task.pid != last)
			holder_add_pid(holder, &fd->task, fd->fd);
		last = fd->task.pid;
	}
}

bool holder_has_owner(const struct holder *holder)
{
	return holder->owner.pid && holder->since_boot_ns && !(holder->sock.flags & WIRE_KERNEL_OWNED);
}

void failure_ring_set_owner_gone(struct failure_ring *ring, const struct wire_socket *event)
{
	const struct failure *failure = failure_ring_find(ring, event->failure_id);
	struct holder *holder = failure ? holder_find(failure, event->sock.cookie) : NULL;

	if (holder)
		holder->owner_gone = true;
}
