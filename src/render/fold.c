/* SPDX-License-Identifier: GPL-2.0-only */
/* Folds equal events: fold.h. */
#include "render/fold.h"

#include <string.h>

_Static_assert(sizeof(struct fold_key) == 88, "fold_key has padding");

void fold_init(struct fold *fold, fold_fn ended, void *context)
{
	memset(fold, 0, sizeof(*fold));
	fold->ended = ended;
	fold->context = context;
}

static void make_key(const struct report *report, struct fold_key *key)
{
	const struct conflict *conflict = report->conflict;
	const struct wire_sock *sk = report->sock;

	memset(key, 0, sizeof(*key));
	memcpy(key->local_addr, sk->local_addr, sizeof(key->local_addr));
	memcpy(key->remote_addr, sk->remote_addr, sizeof(key->remote_addr));
	if (report->task)
		memcpy(key->comm, report->task->comm, sizeof(key->comm));
	if (conflict)
		key->cause = (uintptr_t)conflict->cause;
	if (conflict && conflict->holder_count)
		key->holder = conflict->holders[0]->sock.cookie;
	key->netns = sk->netns;
	key->error = wire_ended_errno(report->event);
	key->flags = sk->flags & (WIRE_V6ONLY | WIRE_ACCEPTED);
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

static bool is_refusal(const struct fold_entry *entry)
{
	return entry->key.cause != 0;
}

/* A crafted capture may hold any time. */
static uint64_t add_saturated(uint64_t time, uint64_t ns)
{
	return time > UINT64_MAX - ns ? UINT64_MAX : time + ns;
}

static void report_count(struct fold *fold, struct fold_entry *entry, uint64_t now_boot_ns)
{
	uint64_t last = is_refusal(entry) ? FOLD_REPEATS_NS : FOLD_LAST_NS;
	uint64_t end = now_boot_ns < entry->due_boot_ns ? now_boot_ns : entry->due_boot_ns;

	if (end < entry->last_boot_ns)
		end = entry->last_boot_ns;
	if (entry->count)
		fold->ended(fold->context, entry, end);
	entry->count = 0;
	entry->pid_low = entry->pid_high = 0;
	entry->start_boot_ns = end;
	entry->distance_ns = 2 * entry->distance_ns < last ? 2 * entry->distance_ns : last;
	entry->due_boot_ns = add_saturated(now_boot_ns, entry->distance_ns);
}

static struct fold_entry *find(struct fold *fold, const struct fold_key *key, uint64_t hash)
{
	for (size_t i = 0; i < FOLD_SLOTS; i++) {
		if (fold->hashes[i] == hash && fold->entries[i].passed &&
		    memcmp(&fold->entries[i].key, key, sizeof(*key)) == 0)
			return &fold->entries[i];
	}
	return NULL;
}

/* A free slot, else that of the oldest event, whose count is reported now. */
static struct fold_entry *make_room(struct fold *fold, uint64_t now_boot_ns)
{
	struct fold_entry *oldest = &fold->entries[0];

	for (size_t i = 0; i < FOLD_SLOTS; i++) {
		struct fold_entry *entry = &fold->entries[i];

		if (!entry->passed)
			return entry;
		if (entry->last_boot_ns < oldest->last_boot_ns)
			oldest = entry;
	}
	report_count(fold, oldest, now_boot_ns);
	return oldest;
}

static void start_entry(struct fold *fold, struct fold_entry *entry, const struct fold_key *key, uint64_t hash,
			uint64_t now_boot_ns)
{
	fold->hashes[entry - fold->entries] = hash;
	*entry = (struct fold_entry){
		.key = *key,
		.start_boot_ns = now_boot_ns,
		.due_boot_ns = add_saturated(now_boot_ns, FOLD_FIRST_NS),
		.distance_ns = FOLD_FIRST_NS,
		.last_boot_ns = now_boot_ns,
		.passed = 1,
	};
}

/* Nothing came since the last report, and for long enough that the next event is news. */
static bool is_over(const struct fold_entry *entry, uint64_t now_boot_ns)
{
	if (entry->count)
		return false;
	if (is_refusal(entry))
		return now_boot_ns >= add_saturated(entry->last_boot_ns, FOLD_FORGET_NS);
	return now_boot_ns >= entry->due_boot_ns;
}

static void count_event(struct fold_entry *entry, const struct report *report)
{
	uint32_t pid = report->task ? report->task->pid : 0;

	entry->count++;
	if (pid && (!entry->pid_low || pid < entry->pid_low))
		entry->pid_low = pid;
	if (pid > entry->pid_high)
		entry->pid_high = pid;
}

bool fold_admit(struct fold *fold, const struct report *report)
{
	uint64_t now = report->event->boot_ns;
	struct fold_entry *entry;
	struct fold_key key;
	uint64_t hash;

	make_key(report, &key);
	hash = hash_key(&key);
	entry = find(fold, &key, hash);
	if (!entry || is_over(entry, now)) {
		start_entry(fold, entry ? entry : make_room(fold, now), &key, hash, now);
		return true;
	}
	if (now > entry->last_boot_ns)
		entry->last_boot_ns = now;
	if (!is_refusal(entry) && entry->passed < FOLD_PASS) {
		entry->passed++;
		return true;
	}
	count_event(entry, report);
	if (now >= entry->due_boot_ns)
		report_count(fold, entry, now);
	return false;
}

void fold_advance(struct fold *fold, uint64_t now_boot_ns)
{
	for (size_t i = 0; i < FOLD_SLOTS; i++) {
		struct fold_entry *entry = &fold->entries[i];

		if (!entry->passed || now_boot_ns < entry->due_boot_ns)
			continue;
		if (entry->count) {
			report_count(fold, entry, now_boot_ns);
			entry->passed = FOLD_PASS; /* while it goes on, all are counted */
		} else if (is_over(entry, now_boot_ns)) {
			entry->passed = 0;
		}
	}
}

void fold_end(struct fold *fold, uint64_t now_boot_ns)
{
	for (size_t i = 0; i < FOLD_SLOTS; i++) {
		if (fold->entries[i].passed && fold->entries[i].count)
			report_count(fold, &fold->entries[i], now_boot_ns);
		fold->entries[i].passed = 0;
	}
}
