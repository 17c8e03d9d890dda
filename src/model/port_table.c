/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A hash by cookie, and two orders of eviction: entries that expire are in a heap by expiry time, all others
 * in a list by the time when they were last seen.
 */
#include "model/port_table.h"

#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

#include "model/hash.h"
#include "model/slab.h"

#define FDS_PER_ENTRY 4

/*
 * A slot is either in the list `by_age`, linked by prev and next, or in the pairing heap `by_expiry`, linked by child
 * and by the siblings prev and next.
 */
struct slot {
	struct port_entry entry; /* first member: an entry is cast to its slot */
	UT_hash_handle hh;	 /* also keeps the insertion order */
	struct slot *prev, *next, *child;
};

_Static_assert(sizeof(struct slot) <= 240, "there may be 65,536 slots");

struct port_table {
	struct slab slots, fds;
	struct slot *by_cookie;
	struct slot *by_age;	/* least recently seen first */
	struct slot *by_expiry; /* the top expires first */
	size_t capacity, expiring_capacity;
	size_t expiring_count, fd_count;
	uint64_t evicted, forgotten;
};

/*
 * A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) needs no memory of its own, and adds an entry that expires
 * after all others, as nearly every live TIME_WAIT does, with one comparison. A sorted list would be slow for a
 * snapshot, which adds tens of thousands of TIME_WAITs in no order.
 */
static struct slot *heap_meld(struct slot *a, struct slot *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->entry.expires_boot_ns < a->entry.expires_boot_ns) {
		struct slot *top = b;

		b = a;
		a = top;
	}
	b->prev = a;
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	return a;
}

/* Melds siblings in pairs, then the pairs from last to first: the two passes bound the amortised cost. */
static struct slot *heap_join(struct slot *sibling)
{
	struct slot *pairs = NULL, *top = NULL;

	while (sibling) {
		struct slot *a = sibling, *b = a->next, *pair;

		sibling = b ? b->next : NULL;
		pair = heap_meld(a, b);
		pair->next = pairs;
		pairs = pair;
	}
	while (pairs) {
		struct slot *pair = pairs;

		pairs = pair->next;
		pair->next = NULL;
		top = heap_meld(top, pair);
	}
	if (top)
		top->prev = top->next = NULL;
	return top;
}

/* The prev of a first child is its parent, else the sibling before it. */
static void heap_remove(struct slot **heap, struct slot *slot)
{
	struct slot *children = heap_join(slot->child);

	if (slot == *heap) {
		*heap = children;
	} else {
		if (slot->prev->child == slot)
			slot->prev->child = slot->next;
		else
			slot->prev->next = slot->next;
		if (slot->next)
			slot->next->prev = slot->prev;
		*heap = heap_meld(*heap, children);
	}
}

static void order_remove(struct port_table *table, struct slot *slot)
{
	if (slot->entry.expires_boot_ns) {
		heap_remove(&table->by_expiry, slot);
		table->expiring_count--;
	} else {
		DL_DELETE(table->by_age, slot);
	}
	slot->prev = slot->next = slot->child = NULL;
}

static void order_add(struct port_table *table, struct slot *slot)
{
	if (slot->entry.expires_boot_ns) {
		table->by_expiry = heap_meld(table->by_expiry, slot);
		table->expiring_count++;
	} else {
		DL_APPEND(table->by_age, slot);
	}
}

static void slot_drop(struct port_table *table, struct slot *slot)
{
	HASH_DEL(table->by_cookie, slot);
	order_remove(table, slot);
	port_table_clear_fds(table, &slot->entry);
	slab_free(&table->slots, slot);
}

static void evict(struct port_table *table)
{
	if (table->by_expiry)
		table->forgotten++;
	else
		table->evicted++;
	slot_drop(table, table->by_expiry ? table->by_expiry : table->by_age);
}

const struct wire_task *port_entry_task(const struct port_entry *entry)
{
	return entry->fds ? &entry->fds->task : &entry->owner;
}

struct port_table *port_table_new(size_t capacity, size_t expiring)
{
	struct port_table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->capacity = capacity ? capacity : 1;
	table->expiring_capacity = expiring ? expiring : 1;
	slab_init(&table->slots, sizeof(struct slot));
	slab_init(&table->fds, sizeof(struct port_fd));
	return table;
}

void port_table_free(struct port_table *table)
{
	if (!table)
		return;
	HASH_CLEAR(hh, table->by_cookie);
	slab_done(&table->slots);
	slab_done(&table->fds);
	free(table);
}

static struct slot *slot_find(struct port_table *table, uint64_t cookie)
{
	struct slot *slot;

	HASH_FIND(hh, table->by_cookie, &cookie, sizeof(cookie), slot);
	return slot;
}

struct port_entry *port_table_find(struct port_table *table, uint64_t cookie)
{
	struct slot *slot = slot_find(table, cookie);

	return slot ? &slot->entry : NULL;
}

struct port_entry *port_table_add(struct port_table *table, uint64_t cookie)
{
	struct slot *slot = slot_find(table, cookie);

	if (slot) {
		if (!slot->entry.expires_boot_ns) {
			DL_DELETE(table->by_age, slot);
			DL_APPEND(table->by_age, slot);
		}
		return &slot->entry;
	}
	if (HASH_COUNT(table->by_cookie) >= table->capacity)
		evict(table);
	slot = slab_alloc(&table->slots);
	if (!slot)
		return NULL;
	slot->entry.sock.cookie = cookie;
	HASH_ADD(hh, table->by_cookie, entry.sock.cookie, sizeof(cookie), slot);
	if (!slot->hh.tbl) {
		slab_free(&table->slots, slot);
		errno = ENOMEM;
		return NULL;
	}
	order_add(table, slot);
	return &slot->entry;
}

void port_table_drop(struct port_table *table, uint64_t cookie)
{
	struct slot *slot = slot_find(table, cookie);

	if (slot)
		slot_drop(table, slot);
}

void port_table_set_expiry(struct port_table *table, struct port_entry *entry,
			   uint64_t expires_boot_ns)
{
	struct slot *slot = (struct slot *)entry;

	if (entry->expires_boot_ns == expires_boot_ns)
		return;
	order_remove(table, slot);
	/* Done while the entry is in neither order, so that it is not evicted itself. */
	if (expires_boot_ns && table->expiring_count >= table->expiring_capacity)
		evict(table);
	entry->expires_boot_ns = expires_boot_ns;
	order_add(table, slot);
}

int port_table_add_fd(struct port_table *table, struct port_entry *entry,
		      const struct wire_task *task, int fd)
{
	struct port_fd **link, *added;
	size_t count = 0;

	for (link = &entry->fds; *link; link = &(*link)->next, count++) {
		if ((*link)->task.pid == task->pid && (*link)->fd == fd) {
			(*link)->task = *task;
			return 0;
		}
	}
	if (count >= PORT_FDS_MAX || table->fd_count / FDS_PER_ENTRY >= table->capacity) {
		table->evicted++;
		return 0;
	}
	added = slab_alloc(&table->fds);
	if (!added)
		return -ENOMEM;
	added->task = *task;
	added->fd = fd;
	*link = added;
	table->fd_count++;
	return 0;
}

void port_table_clear_fds(struct port_table *table, struct port_entry *entry)
{
	struct port_fd *fd = entry->fds, *next;

	for (; fd; fd = next) {
		next = fd->next;
		slab_free(&table->fds, fd);
		table->fd_count--;
	}
	entry->fds = NULL;
}

size_t port_table_expire(struct port_table *table, uint64_t now_boot_ns)
{
	size_t count = 0;

	for (; table->by_expiry && table->by_expiry->entry.expires_boot_ns <= now_boot_ns; count++)
		slot_drop(table, table->by_expiry);
	return count;
}

size_t port_table_count(const struct port_table *table)
{
	return HASH_COUNT(table->by_cookie);
}

uint64_t port_table_evicted(const struct port_table *table)
{
	return table->evicted;
}

uint64_t port_table_forgotten(const struct port_table *table)
{
	return table->forgotten;
}

const struct port_entry *port_table_next(const struct port_table *table,
					 const struct port_entry *entry)
{
	const struct slot *slot = entry ? ((const struct slot *)entry)->hh.next : table->by_cookie;

	return slot ? &slot->entry : NULL;
}
