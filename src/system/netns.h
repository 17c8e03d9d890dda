/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists network namespaces and enters them. A namespace is named by the inode number of /proc/PID/ns/net.
 * No descriptor of one is kept between calls, because that would keep a dead namespace, and its ports,
 * alive.
 */
#ifndef PORTTRACE_SYSTEM_NETNS_H
#define PORTTRACE_SYSTEM_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct netns_list;

/* Stores the namespace of this thread; from now on only this list may change it. NULL with errno. */
struct netns_list *netns_list_new(void);
void netns_list_free(struct netns_list *list);

/* Rebuilds the list: the namespaces of all processes, and those that a mount keeps. 0, or -ENOENT: none. */
int netns_list_scan(struct netns_list *list);
/* Adds this namespace if a socket of the process is in it; nothing else may keep the namespace. true: one is. */
bool netns_list_scan_sockets(struct netns_list *list, uint32_t netns, uint32_t pid);
/* Adds this namespace unless it is known. The process has a socket in it open as `fd`. */
void netns_list_add_socket(struct netns_list *list, uint32_t netns, uint32_t pid, int fd);

size_t netns_list_count(const struct netns_list *list);
uint32_t netns_list_get(const struct netns_list *list, size_t index);
/* -errno if the last netns_enter() of this namespace since the last netns_list_scan() failed. 0: it did
 * not, or the namespace has ended. */
int netns_list_error(const struct netns_list *list, size_t index);

/*
 * Moves this thread into a namespace; after 0, call netns_leave(). If the process or mount that led to the
 * namespace does not exist any more, or the list does not have the namespace, /proc is scanned for another
 * one; this adds namespaces at the end of the list and removes none.
 *
 * 0; -ESRCH: nothing leads to it, so it has ended as far as known; or -errno: it exists and this process may
 * not enter it. The thread's own namespace can always be entered.
 */
int netns_enter(struct netns_list *list, uint32_t netns);
/* A path by which setns() and nsenter(1) can enter the namespace: of a mount (/run/netns/NAME) or of a process. "": it
 * is the thread's own. -ESRCH: no path leads into it, or it does not fit. */
int netns_path(struct netns_list *list, uint32_t netns, char *path, size_t size);
void netns_leave(struct netns_list *list);

#endif
