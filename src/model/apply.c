/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Updates the tables from an event. One function per kind of event that changes something.
 *
 * Probes and scans (WIRE_SOCKET) report the same sockets, and their events arrive out of order. Each entry has the
 * time of its newest event; an older event fills gaps of the entry and overwrites nothing.
 */
#include "model/model.h"

#include <errno.h>

#include "model/model_state.h"
#include "util/protocol.h"

#define TIMEWAIT_NS 60000000000ULL /* TCP_TIMEWAIT_LEN, include/net/tcp.h */

/*
 * A close is reported when it begins. A scan that finds the socket before the kernel has removed it from its
 * tables has a later time, although the socket is closed.
 */
#define CLOSING_NS 100000000ULL

static bool is_newer(const struct port_entry *entry, const struct wire_hdr *hdr)
{
	return hdr->boot_ns >= entry->seen_boot_ns;
}

/* *entry: the entry of `sock`, added if there is none; NULL: the event changes nothing. 0 or -ENOMEM. */
static int entry_get(struct model *model, const struct wire_hdr *hdr, const struct wire_sock *sock,
		    struct port_entry **entry)
{
	uint64_t ended = closed_cache_find(&model->closed, sock->cookie);

	*entry = NULL;
	if (!sock->cookie || !sock->local_port || (ended && hdr->boot_ns <= ended))
		return 0;
	*entry = port_table_add(model->ports, sock->cookie);
	return *entry ? 0 : -ENOMEM;
}

/* A TIME_WAIT is a separate socket, without a uid and most options. Keep those of its connection. */
static void entry_update(struct model *model, struct port_entry *entry, const struct wire_hdr *hdr,
			const struct wire_sock *sock)
{
	struct wire_sock before = entry->sock;

	entry->sock = *sock;
	entry->sock.flags |= before.flags & WIRE_ACCEPTED;
	if (sock->state != WIRE_TCP_TIME_WAIT) {
		port_table_set_expiry(model->ports, entry, 0);
	} else if (entry->seen_boot_ns) {
		entry->sock.uid = before.uid;
		entry->sock.flags |= before.flags;
	}
	if (is_newer(entry, hdr))
		entry->seen_boot_ns = hdr->boot_ns;
}

static void entry_fill_gaps(struct port_entry *entry, const struct wire_task *owner,
		       uint64_t since_boot_ns)
{
	if (!entry->owner.pid)
		entry->owner = *owner;
	if (!entry->since_boot_ns)
		entry->since_boot_ns = since_boot_ns;
}

/* `task` took the port. A scan can only guess the owner, so this event replaces it even if the event is
 * older. */
static void entry_set_owner(struct port_entry *entry, const struct wire_task *task, uint64_t boot_ns)
{
	if (task->pid)
		entry->owner = *task;
	if (!entry->since_boot_ns || boot_ns < entry->since_boot_ns)
		entry->since_boot_ns = boot_ns;
}

static void entry_drop(struct model *model, const struct wire_hdr *hdr,
		       const struct wire_sock *sock)
{
	if (!sock->cookie)
		return;
	closed_cache_add(&model->closed, sock->cookie, hdr->boot_ns);
	port_table_drop(model->ports, sock->cookie);
}

static int apply_bind(struct model *model, const struct wire_bind *event)
{
	struct port_entry *entry;
	int err;

	if (event->error) {
		repeat_table_add(&model->repeats, &event->sock, &event->task, event->error, event->hdr.boot_ns);
		return 0;
	}
	err = entry_get(model, &event->hdr, &event->sock, &entry);
	if (!entry)
		return err;
	if (is_newer(entry, &event->hdr))
		entry_update(model, entry, &event->hdr, &event->sock);
	entry_set_owner(entry, &event->task, event->hdr.boot_ns);
	return 0;
}

static int apply_listen(struct model *model, const struct wire_listen *event)
{
	struct port_entry *entry;
	int err;

	if (event->error) {
		repeat_table_add(&model->repeats, &event->sock, &event->task, event->error, event->hdr.boot_ns);
		return 0;
	}
	err = entry_get(model, &event->hdr, &event->sock, &entry);
	if (!entry)
		return err;
	if (is_newer(entry, &event->hdr)) {
		entry_update(model, entry, &event->hdr, &event->sock);
		entry->sock.state = WIRE_TCP_LISTEN;
		entry->backlog = event->backlog;
	}
	entry_fill_gaps(entry, &event->task, 0);
	return 0;
}

static int apply_connect(struct model *model, const struct wire_connect *event)
{
	struct port_entry *entry;
	int err;

	if (event->error)
		return 0;
	err = entry_get(model, &event->hdr, &event->sock, &entry);
	if (!entry)
		return err;
	if (is_newer(entry, &event->hdr))
		entry_update(model, entry, &event->hdr, &event->sock);
	/* For a bound socket, the process that called bind() took the port. */
	if (event->requested_port)
		entry_fill_gaps(entry, &event->task, 0);
	else
		entry_set_owner(entry, &event->task, event->hdr.boot_ns);
	return 0;
}

static int apply_accept(struct model *model, const struct wire_accept *event)
{
	struct port_entry *entry;
	int err = entry_get(model, &event->hdr, &event->sock, &entry);

	if (!entry)
		return err;
	if (is_newer(entry, &event->hdr))
		entry_update(model, entry, &event->hdr, &event->sock);
	entry->sock.flags |= WIRE_ACCEPTED;
	entry_set_owner(entry, &event->task, event->hdr.boot_ns);
	return 0;
}

/* Applied even if the entry is newer: only probes report ends, and their events are in order. */
static int timewait_enter(struct model *model, const struct wire_hdr *hdr,
			  const struct wire_sock *sock, const struct wire_task *task,
			  uint64_t since_boot_ns, struct port_entry **entry)
{
	struct wire_sock waiting = *sock;
	int err = entry_get(model, hdr, sock, entry);

	if (!*entry)
		return err;
	waiting.state = WIRE_TCP_TIME_WAIT;
	entry_update(model, *entry, hdr, &waiting);
	if (sock->state == WIRE_TCP_FIN_WAIT2 || sock->state == WIRE_TCP_TIME_WAIT)
		(*entry)->substate = sock->state & 0xf;
	(*entry)->backlog = 0;
	entry_fill_gaps(*entry, task, since_boot_ns);
	port_table_clear_fds(model->ports, *entry);
	return 0;
}

/* The port is free again; `task` closed the socket. */
static void port_released(struct model *model, const struct wire_hdr *hdr, const struct wire_sock *sock,
			  const struct wire_task *task)
{
	struct reservation_ring *ring = protocol_is_udp(sock->protocol) ? &model->udp_reservations :
									  &model->tcp_reservations;

	reservation_ring_add(ring, sock, task, hdr->boot_ns);
	entry_drop(model, hdr, sock);
}

static void remember_server(struct model *model, const struct wire_hdr *hdr, const struct wire_sock *sock,
			    const struct wire_task *closer)
{
	const struct port_entry *known = port_table_find(model->ports, sock->cookie);
	const struct closed_server server = {
		.sock = *sock,
		.owner = known && known->owner.pid ? known->owner : *closer,
		.closed_boot_ns = hdr->boot_ns,
	};

	if (wire_sock_is_server(sock))
		closed_servers_add(&model->servers, &server);
}

static int apply_close(struct model *model, const struct wire_close *event)
{
	const struct port_entry *known = port_table_find(model->ports, event->sock.cookie);
	bool is_waiting = known && known->sock.state == WIRE_TCP_TIME_WAIT;
	bool is_life_known = event->life_ns && event->life_ns < event->hdr.boot_ns;
	uint64_t since = is_life_known ? event->hdr.boot_ns - event->life_ns : 0;
	struct port_entry *entry;
	int err;

	remember_server(model, &event->hdr, &event->sock, &event->task);
	if (event->next_state != WIRE_TCP_TIME_WAIT) {
		/* After shutdown() the TIME_WAIT begins before the close: keep it. */
		if (!is_waiting)
			port_released(model, &event->hdr, &event->sock, &event->task);
		return 0;
	}
	err = timewait_enter(model, &event->hdr, &event->sock, &event->task, since, &entry);
	if (entry && !is_waiting)
		port_table_set_expiry(model->ports, entry, event->hdr.boot_ns + TIMEWAIT_NS);
	return err;
}

static void apply_release(struct model *model, const struct wire_release *event)
{
	port_released(model, &event->hdr, &event->sock, &event->task);
}

static int apply_timewait(struct model *model, const struct wire_timewait *event)
{
	struct port_entry *entry;
	int err;

	switch ((enum wire_timewait_action)event->action) {
	case WIRE_TIMEWAIT_ENTER:
		/* The close may be much older, if the peer was late to answer the FIN: the timer starts here. */
		err = timewait_enter(model, &event->hdr, &event->sock, &event->task, 0, &entry);
		if (entry && event->substate)
			entry->substate = event->substate & 0xf;
		if (entry)
			port_table_set_expiry(model->ports, entry,
					      event->hdr.boot_ns + TIMEWAIT_NS);
		return err;
	case WIRE_TIMEWAIT_EXPIRE:
	case WIRE_TIMEWAIT_REUSE:
	case WIRE_TIMEWAIT_KILL:
	case WIRE_TIMEWAIT_OVERFLOW:
		entry_drop(model, &event->hdr, &event->sock);
		return 0;
	}
	return 0;
}

/*
 * Holders of a refused port update an entry and never add one: they may lie outside the user's filters, and then
 * no event would remove them.
 */
static int entry_get_scanned(struct model *model, const struct wire_socket *event,
			 struct port_entry **entry)
{
	uint64_t ended = closed_cache_find(&model->closed, event->sock.cookie);

	*entry = event->sock.cookie ? port_table_find(model->ports, event->sock.cookie) : NULL;
	if (!*entry && event->failure_id)
		return 0;
	/* An orphan exists after its close, until the peer has answered the FIN. */
	if (!*entry && ended && !(event->sock.flags & WIRE_ORPHAN) &&
	    event->hdr.boot_ns <= ended + CLOSING_NS)
		return 0;
	return entry_get(model, &event->hdr, &event->sock, entry);
}

static void entry_update_scanned(struct model *model, struct port_entry *entry,
		       const struct wire_socket *event)
{
	uint64_t left_ns = event->expires_ms ? event->expires_ms * 1000000ULL : TIMEWAIT_NS;

	entry_update(model, entry, &event->hdr, &event->sock);
	entry->backlog = event->backlog;
	entry->queue = event->queue < PORT_QUEUE_MAX ? event->queue : PORT_QUEUE_MAX;
	entry->substate = event->substate & 0xf;
	if (event->sock.state != WIRE_TCP_TIME_WAIT)
		return;
	port_table_clear_fds(model->ports, entry);
	/* If the time left is not known, keep the known end, else assume the maximum: every TIME_WAIT must
	 * end. */
	if (event->expires_ms || !entry->expires_boot_ns)
		port_table_set_expiry(model->ports, entry, event->hdr.boot_ns + left_ns);
}

static int apply_socket(struct model *model, const struct wire_socket *event)
{
	struct port_entry *entry;
	int err;

	if (event->hdr.purpose == WIRE_PURPOSE_OWNER_GONE) {
		failure_ring_set_owner_gone(&model->failures, event);
		return 0;
	}
	if (event->hdr.purpose == WIRE_PURPOSE_SERVER_CLOSED) {
		remember_server(model, &event->hdr, &event->sock, &event->task);
		entry_drop(model, &event->hdr, &event->sock);
		return 0;
	}
	err = entry_get_scanned(model, event, &entry);
	if (entry) {
		/*
		 * While a process keeps the descriptor of a socket that went to TIME_WAIT, both have the same
		 * cookie. The TIME_WAIT has the port; only a new bind or connect changes that.
		 */
		bool is_leftover = entry->sock.state == WIRE_TCP_TIME_WAIT &&
			       event->sock.state != WIRE_TCP_TIME_WAIT;

		if (!is_leftover && is_newer(entry, &event->hdr))
			entry_update_scanned(model, entry, event);
		entry_fill_gaps(entry, &event->task, event->since_boot_ns);
		if (event->fd >= 0 && entry->sock.state != WIRE_TCP_TIME_WAIT)
			err = port_table_add_fd(model->ports, entry, &event->task, event->fd);
	}
	if (!err && event->failure_id)
		err = failure_ring_add(&model->failures, event, entry);
	return err;
}

static int apply_interface(struct model *model, const struct wire_interface *event)
{
	for (unsigned int i = 0; i < INTERFACES_MAX; i++) {
		struct wire_interface *known = &model->interfaces[i];

		if (known->netns == event->netns && known->ifindex == event->ifindex) {
			*known = *event;
			return 0;
		}
	}
	model->interfaces[model->next_interface] = *event;
	model->next_interface = (model->next_interface + 1) % INTERFACES_MAX;
	return 0;
}

int model_apply(struct model *model, const struct wire_hdr *event)
{
	switch ((enum wire_kind)event->kind) {
	case WIRE_BIND:
		return apply_bind(model, (const struct wire_bind *)event);
	case WIRE_LISTEN:
		return apply_listen(model, (const struct wire_listen *)event);
	case WIRE_CONNECT:
		return apply_connect(model, (const struct wire_connect *)event);
	case WIRE_ACCEPT:
		return apply_accept(model, (const struct wire_accept *)event);
	case WIRE_CLOSE:
		return apply_close(model, (const struct wire_close *)event);
	case WIRE_TIMEWAIT:
		return apply_timewait(model, (const struct wire_timewait *)event);
	case WIRE_RELEASE:
		apply_release(model, (const struct wire_release *)event);
		return 0;
	case WIRE_SOCKET:
		return apply_socket(model, (const struct wire_socket *)event);
	case WIRE_PROCESS:
		return process_table_add(model->processes, (const struct wire_process *)event);
	case WIRE_NETNS:
		return netns_table_add(model->namespaces, (const struct wire_netns *)event);
	case WIRE_TRAFFIC:
		return netns_table_add_traffic(model->namespaces,
					       (const struct wire_traffic *)event);
	case WIRE_POOL:
		return pool_table_add(model->pools, (const struct wire_pool *)event);
	case WIRE_SEARCH:
		return netns_table_add_search(model->namespaces, (const struct wire_search *)event);
	case WIRE_INTERFACE:
		return apply_interface(model, (const struct wire_interface *)event);
	case WIRE_LOST:
	case WIRE_MISUSE:
		return 0;
	}
	return 0;
}
