/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace ls: every socket that has a port, once, over all network namespaces. */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/socket_scan.h"
#include "stream/group_scan.h"
#include "util/protocol.h"

struct ls_config {
	struct settings settings;
	bool listening, all, tcp, udp;
	bool numeric, processes; /* -n, -p: always so */
	struct output_config output;
};

struct list {
	const struct ls_config *config;
	const struct renderer *renderer;
	struct render *render;
	struct socket_scan scan;
};

/* -t, -u and -l as in ss, where an unconnected UDP socket counts as listening. */
static bool is_wanted(const struct ls_config *config, const struct wire_sock *sock)
{
	if ((config->tcp || config->udp) && !(protocol_is_udp(sock->protocol) ? config->udp : config->tcp))
		return false;
	if (!config->listening || config->all) /* -a overrides -l, as in ss */
		return true;
	return protocol_is_udp(sock->protocol) ? sock->state == WIRE_TCP_CLOSE : sock->state == WIRE_TCP_LISTEN;
}

static bool is_in_group(const struct wire_sock *sock)
{
	return sock->flags & WIRE_REUSEPORT && wire_sock_is_server(sock);
}

static int compare(const void *left, const void *right)
{
	const struct wire_sock *a = &(*(const struct port_entry *const *)left)->sock;
	const struct wire_sock *b = &(*(const struct port_entry *const *)right)->sock;

	if (a->netns != b->netns)
		return a->netns < b->netns ? -1 : 1;
	if ((a->state == WIRE_TCP_LISTEN) != (b->state == WIRE_TCP_LISTEN))
		return a->state == WIRE_TCP_LISTEN ? -1 : 1;
	if (a->protocol != b->protocol)
		return a->protocol < b->protocol ? -1 : 1;
	if (a->local_port != b->local_port)
		return a->local_port < b->local_port ? -1 : 1;
	if (memcmp(a->local_addr, b->local_addr, sizeof(a->local_addr)))
		return memcmp(a->local_addr, b->local_addr, sizeof(a->local_addr));
	if (is_in_group(a) != is_in_group(b)) /* next to each other: group_scan() */
		return is_in_group(a) ? -1 : 1;
	if (is_in_group(a) && (a->flags ^ b->flags) & WIRE_V6ONLY)
		return a->flags & WIRE_V6ONLY ? -1 : 1;
	if (is_in_group(a) && a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	if (is_in_group(a) && a->ifindex != b->ifindex)
		return a->ifindex < b->ifindex ? -1 : 1;
	if (a->remote_port != b->remote_port)
		return a->remote_port < b->remote_port ? -1 : 1;
	return (a->cookie > b->cookie) - (a->cookie < b->cookie);
}

/* Only JSON shows the others. */
static void look_up_processes(struct list *list, const struct port_entry *entry)
{
	for (const struct port_fd *fd = entry->fds; fd; fd = fd->next)
		process_lookup_origin(&list->scan.lookup, &fd->task);
}

/* group: its members from this one on are in one line; NULL: the line is that of the entry. */
static void list_entry(struct list *list, const struct port_entry *entry, const struct port_group *group, size_t group_size,
		       unsigned int group_marks)
{
	struct port_report report = {
		.entry = entry,
		.processes = model_processes(list->scan.lookup.model),
		.boot_ns = list->scan.boot_ns,
		.group = group,
		.group_size = group_size,
		.group_marks = group_marks,
	};

	if (list->config->output.json)
		look_up_processes(list, entry);
	report.process = process_lookup_origin(&list->scan.lookup, port_entry_task(entry));
	report.interface = interface_lookup(&list->scan.lookup, &entry->sock);
	list->renderer->port(list->render, &report);
}

/* Thousands of TIME_WAITs are one row; JSON has a record for each. */
static bool is_summed(const struct list *list, const struct port_entry *entry)
{
	return entry->sock.state == WIRE_TCP_TIME_WAIT && !list->config->all && !list->config->output.json;
}

static size_t count_processes(const struct port_entry *const *entries, size_t count)
{
	uint32_t seen[256];
	size_t processes = 0;

	for (size_t i = 0; i < count; i++) {
		for (const struct port_fd *fd = entries[i]->fds; fd; fd = fd->next) {
			size_t j = 0;

			while (j < processes && seen[j] != fd->task.pid)
				j++;
			if (j == processes && processes < sizeof(seen) / sizeof(seen[0]))
				seen[processes++] = fd->task.pid;
		}
	}
	return processes;
}

/* A line for the group and for each member that looks forgotten; with -a, and in JSON, one for each member. */
static void list_group(struct list *list, const struct port_entry *const *entries, const struct group_member *members,
		       size_t count)
{
	bool is_one_line = !list->config->all && !list->config->output.json;
	struct port_group group = {.count = count, .processes = count_processes(entries, count)};

	for (size_t i = 0; i < count; i++) {
		group.queue += entries[i]->queue;
		group.limit += entries[i]->backlog;
	}
	if (is_one_line)
		list_entry(list, entries[0], &group, 0, 0);
	for (size_t i = 0; i < count; i++) {
		if (!is_one_line || members[i].marks)
			list_entry(list, entries[i], NULL, count, members[i].marks);
	}
}

static int list_all(struct list *list)
{
	const struct port_table *ports = model_ports(list->scan.lookup.model);
	const struct port_entry **entries;
	size_t count = 0, timewaits = 0;
	struct group_list groups;
	int err;

	entries = calloc(port_table_count(ports) + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (const struct port_entry *entry = port_table_next(ports, NULL); entry;
	     entry = port_table_next(ports, entry)) {
		if (is_wanted(list->config, &entry->sock))
			entries[count++] = entry;
	}
	qsort(entries, count, sizeof(*entries), compare);
	err = group_scan(&list->scan.lookup, entries, count, &groups);
	if (err)
		goto out;
	for (size_t i = 0; i < count; i++) {
		if (groups.sizes[i]) {
			list_group(list, entries + i, groups.members + i, groups.sizes[i]);
			i += groups.sizes[i] - 1;
		} else if (is_summed(list, entries[i])) {
			timewaits++;
		} else {
			list_entry(list, entries[i], NULL, 0, 0);
		}
	}
	if (timewaits)
		list->renderer->timewaits(list->render, timewaits);
	err = list->renderer->flush(list->render, 0);
	group_list_free(&groups);
out:
	free(entries);
	return err;
}

static const struct option_row rows[] = {
	OPTION_TITLE("Which sockets, as in ss(8):"),
	OPTION("tcp", 't', NULL, option_true, struct ls_config, tcp, "TCP sockets (and MPTCP)"),
	OPTION("udp", 'u', NULL, option_true, struct ls_config, udp, "UDP sockets"),
	OPTION("listening", 'l', NULL, option_true, struct ls_config, listening,
	 "only sockets that listen, and UDP sockets without a peer"),
	OPTION("all", 'a', NULL, option_true, struct ls_config, all,
	       "all sockets, also with a row for each TIME_WAIT"),
	OPTION("numeric", 'n', NULL, option_true, struct ls_config, numeric, "ports are numbers anyway"),
	OPTION("processes", 'p', NULL, option_true, struct ls_config, processes, "processes are shown anyway"),
	OPTION_PORT_ROWS(struct ls_config),
	OPTION_PROCESS_ROWS(struct ls_config, 0),
	OPTION_CGROUP_ROW(struct ls_config),
	OPTION_USER_ROW(struct ls_config, 0),
	OPTION_TITLE("Output:"),
	OPTION("no-header", 'H', NULL, option_true, struct ls_config, output.quiet, "no header"),
	OPTION_OUTPUT_ROWS(struct ls_config),
	{0},
};

static void read_port(const struct option_context *context, const char *text, unsigned int index, void *field)
{
	struct ls_config *config = field;

	(void)index;
	option_ports(context, text, &config->settings);
}

static const struct option_table table = {
	.examples = {
		{"sudo porttrace ls -tulpn", "every listener and UDP server, as with ss"},
		{"sudo porttrace ls -l 443", "who listens on port 443, in any container"},
		{"sudo porttrace ls --json 8080", "one JSON object per socket, for jq"},
	},
	.rows = rows,
	.arguments = "[PORT...]",
	.doc = "List every socket that has a port, in all network namespaces, including idle and bound sockets, "
	       "TIME_WAIT and sockets of the kernel.",
	.argument = read_port,
};

/* Before 0.2, -p was --pid; in ss it takes no value. */
static void explain_p(int argc, char **argv)
{
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "-p") == 0 && isdigit((unsigned char)*argv[i + 1]))
			fprintf(stderr, "porttrace ls: -p takes no value, as in ss: %s is a port; for a process use "
					"--pid=%s\n", argv[i + 1], argv[i + 1]);
	}
}

int cmd_ls(int argc, char **argv)
{
	struct render_options render;
	struct ls_config config = {0};
	struct list list = {.config = &config};
	int status = EXIT_FAILED, err;

	explain_p(argc, argv);
	option_table_parse(&table, argc, argv, &config);
	config.output.argv = argv;
	if (!output_is_open())
		return EXIT_FAILED;
	options_for_render(&config.output, &render);
	/* With -N every row is of that namespace: its name says nothing. */
	if (config.settings.netns.count == 1)
		render.own_netns = config.settings.netns.values[0];
	list.renderer = render_find(config.output.json ? "json" : "text");
	list.render = list.renderer->open(&render);
	if (list.render)
		status = socket_scan_run(&list.scan, &config.settings, &config.output);
	else
		fprintf(stderr, "porttrace: out of memory\n");
	if (status == EXIT_DONE) {
		err = list_all(&list);
		status = err ? output_failed(err) : socket_scan_status(&list.scan);
	}
	socket_scan_done(&list.scan);
	if (list.render)
		list.renderer->close(list.render);
	return status;
}
