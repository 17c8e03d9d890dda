/* SPDX-License-Identifier: GPL-2.0-only */
/* The look-ups in /proc and network namespaces that the sources of a running machine share: entries of source_ops. */
#ifndef PORTTRACE_SOURCE_MACHINE_H
#define PORTTRACE_SOURCE_MACHINE_H

#include "source/source.h"
#include "system/netns.h"

/* The first member of the struct of such a source. The source owns `namespaces`. */
struct machine {
	struct source source;
	struct netns_list *namespaces;
};

void machine_find_fdless_owner(struct source *source, const struct wire_socket *socket, struct socket_list *found);
int machine_read_process(struct source *source, const struct wire_task *task, bool with_origin,
			 struct wire_process *process);
bool machine_process_is_alive(struct source *source, const struct wire_task *task);
int machine_read_interface(struct source *source, uint32_t netns, uint32_t ifindex, struct wire_interface *interface);
int machine_read_tunnel(struct source *source, uint32_t netns, uint16_t port, struct wire_interface *interface);
int machine_netns_path(struct source *source, uint32_t netns, char *path, size_t size);

/* The network namespaces that the last scan found. */
size_t machine_netns_count(const struct source *source);
bool machine_has_netns(const struct source *source, uint32_t netns);
uint32_t machine_netns_get(const struct source *source, size_t index);
/* Settings and kernel counters of a network namespace, as netns_read() in it. 0 or -errno. */
int machine_netns_read(struct source *source, uint32_t netns, struct wire_netns *settings, uint8_t *reserved);
/* 0, or -errno: this one exists and could not be entered, so its TIME_WAITs and orphans are not known. */
int machine_netns_error(const struct source *source, size_t index, uint32_t *netns);

#endif
