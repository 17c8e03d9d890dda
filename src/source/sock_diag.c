/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Joins the sockets of sock_diag with the descriptors in /proc by inode number. Sockets that sock_diag does not list,
 * because their namespace may not be entered or the kernel is older than 6.8, are read through a copy of a descriptor.
 */
#include "source/sock_diag.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/wire_filter.h"
#include "probe/features.h"
#include "source/machine.h"
#include "system/inet_sockets.h"
#include "system/kernel_fs.h"
#include "system/process_fd.h"
#include "system/procfs.h"
#include "system/socket_fds.h"
#include "system/socket_read.h"
#include "util/clock.h"

/* The sockets of MPTCP, of which sock_diag lists the subflows too. */
struct mptcp_list {
	struct wire_socket *sockets;
	size_t count, capacity;
};

struct sock_diag {
	struct machine machine;
	const struct settings *settings;
	struct socket_fds fds;
	bool *is_listed;    /* for each of fds.list, at the first of its inode: sock_diag listed the socket */
	struct mptcp_list mptcp;
	size_t netns_done;  /* how many of the namespaces were scanned */
	uint64_t boot_ns;   /* of the scan */
	char reason[256];
	/* What the scans did not see, for limits(). */
	bool has_hidden;    /* a socket whose process is unknown */
	bool is_partial;    /* a process whose descriptors may not be read */
	bool has_foreign;   /* a socket of a namespace that was not entered before, found by its descriptor */
	bool has_bound;	    /* sock_diag listed a TCP socket that is only bound */
	char protocols[32]; /* that sock_diag cannot list here; "" */
};

/* A scan, and what it passes the sockets on to. */
struct scan {
	struct sock_diag *diag;
	const struct socket_query *query;
	source_event_fn event;
	void *context;
	bool is_filtered;
};

static struct sock_diag *diag_of(const struct source *source)
{
	return (struct sock_diag *)source;
}

/* ---- which sockets ------------------------------------------------------------------------------------- */

static bool port_wanted(const struct socket_query *query, uint16_t port)
{
	if (!query->port)
		return true;
	return query->port_high ? port >= query->port && port <= query->port_high : port == query->port;
}

/* As wanted() and state_wanted() in bpf/iter.bpf.c. */
static bool is_wanted(const struct scan *scan, const struct wire_sock *sock, bool has_fd)
{
	const struct socket_query *query = scan->query;
	bool is_idle = sock->state == WIRE_TCP_CLOSE;

	if (!port_wanted(query, sock->local_port))
		return false;
	if (query->servers && (!has_fd || (!is_idle && sock->state != WIRE_TCP_LISTEN)))
		return false;
	/* Sockets of other namespaces only with a process. */
	return !query->netns || sock->netns == query->netns || (has_fd && query->port && !query->port_high);
}

static bool has_task_filter(const struct settings *settings)
{
	return settings->pids.count || settings->uids.count || settings->comms.count || settings->cgroup_id;
}

/* Whether the cgroup at this path, or one that it is in, has the id. */
static bool is_below(int root, const char *path, uint64_t id)
{
	char text[sizeof(((struct wire_process *)NULL)->cgroup)];
	struct stat st;
	char *last;

	snprintf(text, sizeof(text), "%s", path);
	while ((last = strrchr(text, '/'))) {
		if (!fstatat(root, text[1] ? text + 1 : ".", &st, 0) && st.st_ino == id)
			return true;
		if (!text[1])
			return false;
		last[last == text] = '\0';
	}
	return false;
}

static bool is_in_cgroup(const struct wire_task *task, uint64_t id)
{
	struct wire_process process;
	int root = kernel_fs_open("cgroup2");
	bool is_in = root >= 0 && !process_read(task, false, &process) && is_below(root, process.cgroup, id);

	if (root >= 0)
		close(root);
	return is_in;
}

/* ---- what is passed on --------------------------------------------------------------------------------- */

static void pass(const struct scan *scan, const struct wire_socket *socket)
{
	const struct settings *settings = scan->diag->settings;

	if (scan->is_filtered && (!wire_filter(settings, &socket->hdr) || (socket->fd < 0 && has_task_filter(settings))))
		return;
	scan->event(scan->context, socket, sizeof(*socket));
}

static void pass_fds(const struct scan *scan, const struct wire_socket *socket, const struct socket_fd *fds, size_t count)
{
	struct sock_diag *diag = scan->diag;
	struct wire_socket with_fd = *socket;

	for (size_t i = 0; i < count; i++) {
		with_fd.task = diag->fds.processes[fds[i].process];
		with_fd.fd = fds[i].fd;
		if (scan->is_filtered && diag->settings->cgroup_id &&
		    is_in_cgroup(&with_fd.task, diag->settings->cgroup_id))
			with_fd.task.cgroup_id = diag->settings->cgroup_id;
		netns_list_add_socket(diag->machine.namespaces, socket->sock.netns, with_fd.task.pid, with_fd.fd);
		pass(scan, &with_fd);
	}
}

/* By the first descriptor that may be copied: root may copy each, others those of their own processes. A process may have
 * opened another file meanwhile. */
static int copy_fd(const struct sock_diag *diag, const struct socket_fd *fds, size_t count)
{
	struct stat st;

	for (size_t i = 0; i < count; i++) {
		int copy = process_fd_copy(diag->fds.processes[fds[i].process].pid, fds[i].fd);

		if (copy >= 0 && !fstat(copy, &st) && st.st_ino == fds[i].inode)
			return copy;
		if (copy >= 0)
			close(copy);
	}
	return -ESRCH;
}

static void pass_socket(const struct scan *scan, struct wire_socket *socket, const struct socket_fd *fds, size_t count)
{
	if (!is_wanted(scan, &socket->sock, count))
		return;
	socket->hdr.boot_ns = scan->diag->boot_ns;
	if (count)
		socket->sock.unknown &= (uint8_t)~WIRE_UNKNOWN_PROCESS;
	scan->diag->has_hidden |= socket->sock.unknown & WIRE_UNKNOWN_PROCESS;
	if (!scan->query->servers)
		pass(scan, socket);
	pass_fds(scan, socket, fds, count);
}

/* ---- what sock_diag lists ------------------------------------------------------------------------------ */

static bool has_same_addresses(const struct wire_sock *a, const struct wire_sock *b)
{
	return a->netns == b->netns && a->local_port == b->local_port && a->remote_port == b->remote_port &&
	       !memcmp(a->local_addr, b->local_addr, sizeof(a->local_addr)) &&
	       !memcmp(a->remote_addr, b->remote_addr, sizeof(a->remote_addr));
}

/* Every subflow has the inode number of its MPTCP socket, or none before that is accepted. */
static bool is_subflow(const struct mptcp_list *list, const struct wire_socket *socket)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct wire_socket *mptcp = &list->sockets[i];

		if (socket->inode == mptcp->inode && (socket->inode || has_same_addresses(&socket->sock, &mptcp->sock)))
			return true;
	}
	return false;
}

static void remember_mptcp(struct mptcp_list *list, const struct wire_socket *socket)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? 2 * list->capacity : 16;
		struct wire_socket *sockets = realloc(list->sockets, capacity * sizeof(*sockets));

		if (!sockets)
			return;
		list->sockets = sockets;
		list->capacity = capacity;
	}
	list->sockets[list->count++] = *socket;
}

/* The options, through a copy of a descriptor. */
static void read_options(const struct sock_diag *diag, const struct socket_fd *fds, size_t count, struct wire_sock *sock)
{
	int copy = copy_fd(diag, fds, count);

	if (copy < 0)
		return;
	socket_read_options(copy, sock);
	close(copy);
}

static void socket_listed(void *context, const struct wire_socket *listed)
{
	struct scan *scan = context;
	struct sock_diag *diag = scan->diag;
	struct wire_socket socket = *listed;
	struct wire_sock *sock = &socket.sock;
	const struct socket_fd *fds;
	size_t count;

	diag->has_bound |= sock->protocol == IPPROTO_TCP && sock->state == WIRE_TCP_CLOSE;
	if (sock->protocol == IPPROTO_TCP && is_subflow(&diag->mptcp, &socket))
		return;
	if (sock->protocol == IPPROTO_MPTCP)
		remember_mptcp(&diag->mptcp, &socket);
	fds = socket_fds_find(&diag->fds, socket.inode, &count);
	if (fds)
		diag->is_listed[fds - diag->fds.list] = true;
	if (fds && is_wanted(scan, sock, true))
		read_options(diag, fds, count, sock);
	/* An accepted MPTCP socket has the cookie of its listener: see sock_cookie() in bpf/sock.bpf.c. */
	if (sock->protocol == IPPROTO_MPTCP)
		sock->cookie |= (uint64_t)sock->remote_port << 48;
	pass_socket(scan, &socket, fds, count);
}

/* MPTCP first: then its subflows are known among the sockets of TCP. */
static const struct {
	uint16_t protocol;
	const char *name; /* NULL: kernels without it have no such sockets */
} protocols[] = {
	{IPPROTO_MPTCP, NULL},
	{IPPROTO_TCP, "TCP"},
	{IPPROTO_UDP, "UDP"},
	{IPPROTO_UDPLITE, NULL},
};

static void note_protocol(struct sock_diag *diag, const char *name)
{
	size_t length = strlen(diag->protocols);

	if (name && !strstr(diag->protocols, name))
		snprintf(diag->protocols + length, sizeof(diag->protocols) - length, "%s%s", length ? " and " : "", name);
}

static int list_netns(struct scan *scan, uint32_t netns)
{
	const struct socket_query *query = scan->query;
	struct inet_sockets_query list = {
		.netns = netns,
		.port = query->port_high ? 0 : query->port,
		.states = INET_SOCKETS_ALL,
	};
	/* netns_list_error() keeps the reason for the command to report. */
	int err = netns_enter(scan->diag->machine.namespaces, netns) ? -ESRCH : 0;

	if (err)
		return 0;
	for (size_t i = 0; !err && i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		list.protocol = protocols[i].protocol;
		err = inet_sockets_list(&list, socket_listed, scan);
		if (err == -ENOENT || err == -EPROTONOSUPPORT) {
			note_protocol(scan->diag, protocols[i].name);
			err = 0;
		}
	}
	netns_leave(scan->diag->machine.namespaces);
	return err;
}

/* The namespaces that are known so far and were not listed; a socket may lead to more. */
static int list_namespaces(struct scan *scan)
{
	const struct socket_query *query = scan->query;
	struct netns_list *namespaces = scan->diag->machine.namespaces;
	int err = 0;

	for (; !err && scan->diag->netns_done < netns_list_count(namespaces); scan->diag->netns_done++) {
		uint32_t netns = netns_list_get(namespaces, scan->diag->netns_done);

		if (!query->port_high || netns == query->netns)
			err = list_netns(scan, netns);
	}
	return err;
}

/* ---- what only a descriptor shows ---------------------------------------------------------------------- */

static bool is_netns_open(const struct sock_diag *diag, uint32_t netns)
{
	const struct netns_list *namespaces = diag->machine.namespaces;

	for (size_t i = 0; i < diag->netns_done; i++) {
		if (netns_list_get(namespaces, i) == netns)
			return !netns_list_error(namespaces, i);
	}
	return false;
}

/* Without CAP_NET_ADMIN there, the namespace of the socket is that of its process, as far as known. */
static void guess_netns(struct sock_diag *diag, const struct socket_fd *fd, struct wire_sock *sock)
{
	uint64_t netns;

	if (!sock->netns && !process_namespace_read(diag->fds.processes[fd->process].pid, "net", &netns))
		sock->netns = (uint32_t)netns;
}

static void read_unlisted(struct scan *scan)
{
	struct sock_diag *diag = scan->diag;
	const struct socket_fds *fds = &diag->fds;
	size_t count;

	for (size_t i = 0; i < fds->count; i += count) {
		const struct socket_fd *first = socket_fds_find(fds, fds->list[i].inode, &count);
		struct wire_socket socket;
		int copy;

		if (diag->is_listed[i])
			continue;
		copy = copy_fd(diag, first, count);
		if (copy < 0)
			continue;
		if (!socket_read(copy, &socket)) {
			guess_netns(diag, first, &socket.sock);
			diag->has_foreign |= !is_netns_open(diag, socket.sock.netns);
			pass_socket(scan, &socket, first, count);
		}
		close(copy);
	}
}

static bool is_unfiltered(const struct socket_query *query)
{
	return query->netns || query->port || query->servers;
}

static int diag_scan(struct source *source, const struct socket_query *query, source_event_fn event, void *context)
{
	struct sock_diag *diag = diag_of(source);
	struct scan scan = {
		.diag = diag, .query = query, .event = event, .context = context, .is_filtered = !is_unfiltered(query),
	};
	bool *is_listed;
	int err;

	diag->boot_ns = clock_boot_ns();
	diag->netns_done = diag->mptcp.count = 0;
	err = netns_list_scan(diag->machine.namespaces);
	if (!err)
		err = socket_fds_read(&diag->fds);
	if (err)
		return err;
	diag->is_partial |= diag->fds.is_partial;
	is_listed = realloc(diag->is_listed, diag->fds.count + 1);
	if (!is_listed)
		return -ENOMEM;
	diag->is_listed = is_listed;
	memset(is_listed, 0, diag->fds.count);
	err = list_namespaces(&scan);
	if (!err)
		read_unlisted(&scan);
	return err ? err : list_namespaces(&scan);
}

/* ---- what is not seen ---------------------------------------------------------------------------------- */

struct line {
	char *text;
	size_t size, parts;
	const char *separator;
};

static void __attribute__((format(printf, 2, 3))) line_add(struct line *line, const char *format, ...)
{
	size_t length = strlen(line->text);
	va_list args;

	if (line->parts++) {
		length += (size_t)snprintf(line->text + length, line->size - length, "%s", line->separator);
		line->separator = "; ";
	}
	if (length >= line->size)
		return;
	va_start(args, format);
	vsnprintf(line->text + length, line->size - length, format, args);
	va_end(args);
}

static bool is_any_netns_closed(const struct sock_diag *diag)
{
	const struct netns_list *namespaces = diag->machine.namespaces;

	for (size_t i = 0; i < netns_list_count(namespaces); i++) {
		if (netns_list_error(namespaces, i))
			return true;
	}
	return false;
}

static void diag_limits(const struct source *source, char *text, size_t size)
{
	const struct sock_diag *diag = diag_of(source);
	bool is_root = geteuid() == 0;
	struct line line = {text, size, 0, is_root ? "; " : ": "};

	text[0] = '\0';
	line_add(&line, "%s", is_root ? diag->reason : "not root");
	if (diag->has_hidden && diag->is_partial)
		line_add(&line, "%s and the options of their sockets are unknown",
			 is_root ? "some processes may not be read: they" : "processes of other users");
	else if (is_root)
		line_add(&line, "without BPF the options of sockets that no process has open are unknown");
	if (diag->has_foreign && is_any_netns_closed(diag))
		line_add(&line, "of other network namespaces only the sockets of %s processes are shown",
			 is_root ? "readable" : "your own");
	else if (diag->is_partial || is_any_netns_closed(diag))
		line_add(&line, "other network namespaces are not shown");
	if (diag->protocols[0])
		line_add(&line, "%s sockets are missing, for this kernel has no sock_diag for them", diag->protocols);
	if ((diag->is_partial || is_root) && !diag->has_bound && !features_lists_bound())
		line_add(&line, "of TCP sockets that are only bound, those %s are missing",
			 is_root ? "that no process has open" : "of other users");
	if (line.parts == 1)
		text[0] = '\0';
}

static void diag_close(struct source *source)
{
	struct sock_diag *diag = diag_of(source);

	netns_list_free(diag->machine.namespaces);
	socket_fds_done(&diag->fds);
	free(diag->is_listed);
	free(diag->mptcp.sockets);
	free(diag);
}

static const struct source_ops diag_ops = {
	.name = "sock_diag",
	.scan = diag_scan,
	.find_fdless_owner = machine_find_fdless_owner,
	.read_process = machine_read_process,
	.process_is_alive = machine_process_is_alive,
	.read_interface = machine_read_interface,
	.read_tunnel = machine_read_tunnel,
	.netns_path = machine_netns_path,
	.limits = diag_limits,
	.close = diag_close,
};

struct source *sock_diag_open(const struct settings *settings, const char *reason)
{
	struct sock_diag *diag = calloc(1, sizeof(*diag));
	int err;

	if (!diag)
		return NULL;
	diag->machine.source = (struct source){.ops = &diag_ops, .in_pid_namespace = process_pid_namespace()};
	diag->settings = settings;
	snprintf(diag->reason, sizeof(diag->reason), "%s", reason);
	diag->machine.namespaces = netns_list_new();
	if (diag->machine.namespaces)
		return &diag->machine.source;
	err = errno;
	free(diag);
	errno = err;
	return NULL;
}
