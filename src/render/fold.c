/* SPDX-License-Identifier: GPL-2.0-only */
/* Folds equal events: fold.h. */
#include "render/fold.h"

#include <string.h>

_Static_assert(sizeof(struct fold_key) == 56, "fold_key has padding");

void fold_init(struct fold *fold, fold_fn ended, void *context)
{
	memset(fold, 0, sizeof(*fold));
	fold->ended = ended;
	fold->context = context;
}

static void make_key(const struct report *report, struct fold_key *key)
{
	const struct wire_sock *sk = report->sock;

	memset(key, 0, sizeof(*key));
	memcpy(key->local_addr, sk->local_addr, sizeof(key->local_addr));
	memcpy(key->remote_addr, sk->remote_addr, sizeof(key->remote_addr));
	key->netns = sk->netns;
	key->pid = report->task ? report->task->pid : 0;
	key->error = wire_error_of(report->event);
	key->event = report->event->kind;
	key->protocol = sk->protocol;
	if (!(sk->flags & WIRE_PORT_EPHEMERAL))
		key->local_port = sk->local_port;
	/* Accepted connections differ only in the remote port. */
	if (!(sk->flags & WIRE_ACCEPTED) && report->event->kind != WIRE_ACCEPT)
		key->remote_port = sk->remote_port;
}

/* FNV-1a over words. */
static uint64_t hash_key(const struct fold_key *key)
{
	uint64_t words[sizeof(*key) / sizeof(uint64_t)];
	uint64_t hash = 0xcbf29ce484222325ULL;

	memcpy(words, key, sizeof(words));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		hash = (hash ^ words[i]) * 0x100000001b3ULL;
		hash ^= hash >> 32;
	}
	return hash;
}

static uint64_t window_end(const struct fold_entry *entry)
{
	uint64_t start = entry->start_boot_ns;

	return start > UINT64_MAX - FOLD_WINDOW_NS ? UINT64_MAX : start + FOLD_WINDOW_NS;
}

static void end_entry(struct fold *fold, struct fold_entry *entry, uint64_t now_boot_ns)
{
	uint64_t end = now_boot_ns < window_end(entry) ? now_boot_ns : window_end(entry);

	/* Events are not sorted by time: now may be before the first event of the window. */
	if (end < entry->start_boot_ns)
		end = entry->start_boot_ns;
	if (entry->count > FOLD_PASS)
		fold->ended(fold->context, entry, end);
	entry->count = 0;
}

static struct fold_entry *find(struct fold *fold, const struct fold_key *key, uint64_t hash)
{
	for (size_t i = 0; i < FOLD_SLOTS; i++) {
		if (fold->hashes[i] == hash && fold->entries[i].count > 0 &&
		    memcmp(&fold->entries[i].key, key, sizeof(*key)) == 0)
			return &fold->entries[i];
	}
	return NULL;
}

/* A free slot, else the one with the oldest window, which ends now. */
static struct fold_entry *make_room(struct fold *fold, uint64_t now_boot_ns)
{
	struct fold_entry *oldest = &fold->entries[0];

	for (size_t i = 0; i < FOLD_SLOTS; i++) {
		struct fold_entry *entry = &fold->entries[i];

		if (entry->count == 0)
			return entry;
		if (entry->start_boot_ns < oldest->start_boot_ns)
			oldest = entry;
	}
	end_entry(fold, oldest, now_boot_ns);
	return oldest;
}

static void start_entry(struct fold *fold, struct fold_entry *entry, const struct fold_key *key,
			uint64_t hash, const struct report *report)
{
	fold->hashes[entry - fold->entries] = hash;
	entry->key = *key;
	entry->start_boot_ns = report->event->boot_ns;
	entry->count = 1;
	memset(entry->comm, 0, sizeof(entry->comm));
	if (report->task)
		memcpy(entry->comm, report->task->comm, sizeof(entry->comm));
}

bool fold_admit(struct fold *fold, const struct report *report)
{
	uint64_t now = report->event->boot_ns;
	struct fold_key key;
	struct fold_entry *entry;
	uint64_t hash;

	make_key(report, &key);
	hash = hash_key(&key);
	entry = find(fold, &key, hash);
	if (entry && now < window_end(entry)) {
		entry->count++;
		return entry->count <= FOLD_PASS;
	}
	if (entry)
		end_entry(fold, entry, now);
	else
		entry = make_room(fold, now);
	start_entry(fold, entry, &key, hash, report);
	return true;
}

void fold_advance(struct fold *fold, uint64_t now_boot_ns)
{
	for (size_t i = 0; i < FOLD_SLOTS; i++) {
		struct fold_entry *entry = &fold->entries[i];

		if (entry->count > 0 && now_boot_ns >= window_end(entry))
			end_entry(fold, entry, now_boot_ns);
	}
}

void fold_end(struct fold *fold, uint64_t now_boot_ns)
{
	for (size_t i = 0; i < FOLD_SLOTS; i++) {
		if (fold->entries[i].count > 0)
			end_entry(fold, &fold->entries[i], now_boot_ns);
	}
}
