/* SPDX-License-Identifier: GPL-2.0-only */
#include "stream/group_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "model/wire_check.h"

#define LOOKS	      2
#define LOOK_NS	      100000000L
#define WATCHED_MAX   16 /* groups: each look scans the sockets of their ports */

struct look {
	const struct port_entry *const *entries;
	struct group_member *members;
	size_t count;
};

static uint64_t youngest_start(const struct port_entry *entry)
{
	uint64_t start = entry->fds ? 0 : entry->owner.start_boot_ns;

	for (const struct port_fd *fd = entry->fds; fd; fd = fd->next) {
		if (fd->task.start_boot_ns > start)
			start = fd->task.start_boot_ns;
	}
	return start;
}

static void member_init(struct group_member *member, const struct port_entry *entry)
{
	*member = (struct group_member){
		.started_boot_ns = youngest_start(entry),
		.queue_first = entry->queue,
		.queue = entry->queue,
		.limit = entry->backlog,
	};
}

static void on_socket(void *context, const void *data, size_t size)
{
	struct look *look = context;
	union wire_event event;

	if (wire_check(data, size, &event) || event.hdr.kind != WIRE_SOCKET)
		return;
	for (size_t i = 0; i < look->count; i++) {
		struct group_member *member = &look->members[i];

		if (look->entries[i]->sock.cookie != event.socket.sock.cookie)
			continue;
		member->has_shrunk |= event.socket.queue < member->queue;
		member->queue = event.socket.queue;
		member->is_watched = true;
	}
}

static bool has_waiting(const struct group_member *members, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (members[i].queue_first)
			return true;
	}
	return false;
}

static void look_at_queues(struct lookup *lookup, const struct port_entry *const *entries, struct group_list *list,
			   const size_t *watched, size_t watched_count)
{
	const struct timespec pause = {.tv_nsec = LOOK_NS};

	for (int i = 0; i < LOOKS; i++) {
		nanosleep(&pause, NULL);
		for (size_t j = 0; j < watched_count; j++) {
			const struct wire_sock *sock = &entries[watched[j]]->sock;
			struct look look = {entries + watched[j], list->members + watched[j], list->sizes[watched[j]]};
			const struct socket_query query = {.netns = sock->netns, .port = sock->local_port};

			lookup->source->ops->scan(lookup->source, &query, on_socket, &look);
		}
	}
}

int group_scan(struct lookup *lookup, const struct port_entry *const *entries, size_t count, struct group_list *list)
{
	size_t watched[WATCHED_MAX], watched_count = 0, size;

	*list = (struct group_list){calloc(count + 1, sizeof(*list->members)), calloc(count + 1, sizeof(*list->sizes))};
	if (!list->members || !list->sizes) {
		group_list_free(list);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i += size) {
		for (size = 1; i + size < count && group_is_same(&entries[i]->sock, &entries[i + size]->sock); size++)
			;
		if (size < 2)
			continue;
		list->sizes[i] = size;
		for (size_t j = i; j < i + size; j++)
			member_init(&list->members[j], entries[j]);
		if (has_waiting(&list->members[i], size) && watched_count < WATCHED_MAX)
			watched[watched_count++] = i;
	}
	if (watched_count && lookup->source)
		look_at_queues(lookup, entries, list, watched, watched_count);
	for (size_t i = 0; i < count; i++) {
		if (list->sizes[i])
			group_mark(&list->members[i], list->sizes[i]);
	}
	return 0;
}

void group_list_free(struct group_list *list)
{
	free(list->members);
	free(list->sizes);
	*list = (struct group_list){0};
}
