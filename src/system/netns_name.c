/* SPDX-License-Identifier: GPL-2.0-only */
/* Mounts are not watched: an inode number may soon belong to another namespace, so names are read again after a second. */
#include "system/netns_name.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "system/container_name.h"
#include "system/mountinfo.h"
#include "system/procfs.h"

/* Fixed since 6.18: include/uapi/linux/nsfs.h, enum init_ns_ino. */
#define NET_NS_INIT_INO 0xEFFFFFF9U

struct named {
	uint32_t netns;
	char *name; /* owned */
};

static struct {
	struct named *named;
	size_t count, capacity;
	uint32_t host; /* 0: not known */
	time_t read_at; /* 0: never */
} cache;

const char *netns_name_of_mount(const char *path)
{
	static const char *const folders[] = {"/run/netns/", "/var/run/netns/"};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		size_t length = strlen(folders[i]);

		if (strncmp(path, folders[i], length) == 0 && path[length] && !strchr(path + length, '/'))
			return path + length;
	}
	return NULL;
}

static const char *find(uint32_t netns)
{
	for (size_t i = 0; i < cache.count; i++) {
		if (cache.named[i].netns == netns)
			return cache.named[i].name;
	}
	return NULL;
}

static void mount_found(void *context, uint32_t netns, const char *path)
{
	const char *name = netns_name_of_mount(path);
	char *copy;

	(void)context;
	/* A shared mount is listed several times; of two names the first counts. */
	if (!name || find(netns))
		return;
	if (cache.count == cache.capacity) {
		size_t capacity = cache.capacity ? 2 * cache.capacity : 16;
		struct named *more = realloc(cache.named, capacity * sizeof(*more));

		if (!more)
			return;
		cache.named = more;
		cache.capacity = capacity;
	}
	copy = strdup(name);
	if (copy)
		cache.named[cache.count++] = (struct named){.netns = netns, .name = copy};
}

/* Process 1 is in the host's namespace, unless it is that of a container. */
static uint32_t find_host(void)
{
	struct stat st;

	if (stat("/proc/1/ns/pid", &st) || st.st_ino != PROC_PID_INIT_INO || stat("/proc/1/ns/net", &st))
		return 0;
	return (uint32_t)st.st_ino;
}

static void read_names(void)
{
	for (size_t i = 0; i < cache.count; i++)
		free(cache.named[i].name);
	cache.count = 0;
	mountinfo_each_netns(mount_found, NULL);
	cache.host = find_host();
}

const char *netns_name(uint32_t netns)
{
	struct timespec now;
	const char *name;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (!cache.read_at || now.tv_sec != cache.read_at) {
		cache.read_at = now.tv_sec;
		read_names();
	}
	name = find(netns);
	if (name)
		return name;
	return netns && (netns == cache.host || netns == NET_NS_INIT_INO) ? "host" : NULL;
}

/* CNI plugins and podman name a namespace by a random number: "cni-1f0c...", "netns-1f0c...". */
static bool is_generated(const char *name)
{
	size_t prefix = strncmp(name, "cni-", 4) == 0 ? 4 : strncmp(name, "netns-", 6) == 0 ? 6 : 0;

	return prefix && strlen(name + prefix) == 36 && strspn(name + prefix, "0123456789abcdef-") == 36;
}

const char *netns_label(uint32_t netns)
{
	const char *name = netns_name(netns), *container = NULL;

	if (netns && (!name || is_generated(name)))
		container = container_of_netns(netns);
	return container ? container : name;
}
