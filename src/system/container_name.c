/* SPDX-License-Identifier: GPL-2.0-only */
#include "system/container_name.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <yajl/yajl_tree.h>

#include "model/process_table.h"
#include "system/proc_file.h"

#define FILE_MAX      (4 * 1024 * 1024)
#define NAMES_MAX     256
#define NAME_VALID_S  10
#define NETNS_VALID_S 5

/* NULL: there is no such file, or it is not JSON. */
static yajl_val read_json(const char *path)
{
	FILE *file = fopen(path, "re");
	yajl_val json = NULL;
	char *text = NULL;
	size_t length;

	if (!file)
		return NULL;
	text = malloc(FILE_MAX + 1);
	if (text) {
		length = fread(text, 1, FILE_MAX, file);
		text[length] = '\0';
		json = yajl_tree_parse(text, NULL, 0);
	}
	free(text);
	fclose(file);
	return json;
}

static const char *get_text(yajl_val json, const char *first, const char *second)
{
	const char *path[] = {first, second, NULL};

	return json ? YAJL_GET_STRING(yajl_tree_get(json, path, yajl_t_string)) : NULL;
}

static bool name_set(char name[CONTAINER_NAME_SIZE], const char *text)
{
	if (!text || !*text)
		return false;
	return snprintf(name, CONTAINER_NAME_SIZE, "%s", text) < CONTAINER_NAME_SIZE;
}

/* Docker's name begins with a slash. */
static bool docker_read(const char *root, const char *id, char name[CONTAINER_NAME_SIZE])
{
	char path[512];
	const char *text;
	yajl_val json;
	bool found;

	snprintf(path, sizeof(path), "%s/var/lib/docker/containers/%.64s/config.v2.json", root, id);
	json = read_json(path);
	text = get_text(json, "Name", NULL);
	found = name_set(name, text && *text == '/' ? text + 1 : text);
	yajl_tree_free(json);
	return found;
}

static bool podman_read(const char *root, const char *id, char name[CONTAINER_NAME_SIZE])
{
	static const char *const names[] = {"names", NULL};
	bool found = false;
	char path[512];
	yajl_val json;

	snprintf(path, sizeof(path), "%s/var/lib/containers/storage/overlay-containers/containers.json", root);
	json = read_json(path);
	for (size_t i = 0; !found && json && YAJL_IS_ARRAY(json) && i < YAJL_GET_ARRAY(json)->len; i++) {
		yajl_val one = YAJL_GET_ARRAY(json)->values[i], list;
		const char *its = get_text(one, "id", NULL);

		if (!its || strcmp(its, id))
			continue;
		list = yajl_tree_get(one, (const char **)names, yajl_t_array);
		found = list && YAJL_GET_ARRAY(list)->len && name_set(name, YAJL_GET_STRING(YAJL_GET_ARRAY(list)->values[0]));
	}
	yajl_tree_free(json);
	return found;
}

/* All containers of a pod are in its network namespace: its name says more than theirs. */
static bool containerd_read(const char *root, const char *id, char name[CONTAINER_NAME_SIZE])
{
	static const char *const spaces[] = {"k8s.io", "default"};
	bool found = false;
	char path[512];

	for (size_t i = 0; !found && i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		const char *pod, *pod_space;
		yajl_val json;

		snprintf(path, sizeof(path), "%s/run/containerd/io.containerd.runtime.v2.task/%s/%.64s/config.json", root,
			 spaces[i], id);
		json = read_json(path);
		pod = get_text(json, "annotations", "io.kubernetes.cri.sandbox-name");
		pod_space = get_text(json, "annotations", "io.kubernetes.cri.sandbox-namespace");
		if (pod && pod_space)
			found = snprintf(name, CONTAINER_NAME_SIZE, "%s/%s", pod_space, pod) < CONTAINER_NAME_SIZE;
		else
			found = name_set(name, get_text(json, "annotations", "nerdctl/name"));
		yajl_tree_free(json);
	}
	return found;
}

bool container_name_read(const char *root, const char *id, char name[CONTAINER_NAME_SIZE])
{
	return docker_read(root, id, name) || podman_read(root, id, name) || containerd_read(root, id, name);
}

static time_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec + 1; /* never 0 */
}

const char *container_name(const char *id)
{
	static struct {
		char id[65], name[CONTAINER_NAME_SIZE]; /* "": not known */
		time_t read_at;
	} cache[NAMES_MAX];
	time_t now = now_s();
	size_t at = 0;

	for (size_t i = 0; i < NAMES_MAX; i++) {
		if (strcmp(cache[i].id, id) == 0) {
			at = i;
			break;
		}
		if (cache[i].read_at < cache[at].read_at)
			at = i;
	}
	if (strcmp(cache[at].id, id) || now - cache[at].read_at > NAME_VALID_S) {
		snprintf(cache[at].id, sizeof(cache[at].id), "%s", id);
		cache[at].read_at = now;
		if (!container_name_read("", id, cache[at].name))
			cache[at].name[0] = '\0';
	}
	return cache[at].name[0] ? cache[at].name : NULL;
}

static struct {
	struct {
		uint32_t netns;
		char container[65];
	} *found; /* owned */
	size_t count, capacity;
	time_t read_at; /* 0: never */
} spaces;

static bool is_found(uint32_t netns)
{
	for (size_t i = 0; i < spaces.count; i++) {
		if (spaces.found[i].netns == netns)
			return true;
	}
	return false;
}

static void space_add(uint32_t netns, const char *container)
{
	if (spaces.count == spaces.capacity) {
		size_t capacity = spaces.capacity ? 2 * spaces.capacity : 16;
		void *more = realloc(spaces.found, capacity * sizeof(*spaces.found));

		if (!more)
			return;
		spaces.found = more;
		spaces.capacity = capacity;
	}
	spaces.found[spaces.count].netns = netns;
	snprintf(spaces.found[spaces.count++].container, sizeof(spaces.found->container), "%s", container);
}

/* The first process of a container in a network namespace names it. */
static void process_look(const char *pid, uint32_t own)
{
	char path[64], text[4096], container[65];
	unsigned int netns;
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/net", pid);
	length = readlink(path, text, sizeof(text) - 1);
	if (length <= 0)
		return;
	text[length] = '\0';
	if (sscanf(text, "net:[%u]", &netns) != 1 || netns == own || is_found(netns))
		return;
	snprintf(path, sizeof(path), "/proc/%.20s/cgroup", pid);
	if (proc_file_read(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return;
	process_container_of(text, container, sizeof(container));
	if (container[0])
		space_add(netns, container);
}

static void spaces_read(void)
{
	DIR *proc = opendir("/proc");
	unsigned int own = 0;
	char text[64];
	ssize_t length = readlink("/proc/self/ns/net", text, sizeof(text) - 1);
	struct dirent *entry;

	spaces.count = 0;
	if (length > 0) {
		text[length] = '\0';
		sscanf(text, "net:[%u]", &own);
	}
	while (proc && (entry = readdir(proc))) {
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			process_look(entry->d_name, own);
	}
	if (proc)
		closedir(proc);
}

const char *container_of_netns(uint32_t netns)
{
	time_t now = now_s();

	if (!spaces.read_at || now - spaces.read_at > NETNS_VALID_S) {
		spaces.read_at = now;
		spaces_read();
	}
	for (size_t i = 0; i < spaces.count; i++) {
		if (spaces.found[i].netns == netns)
			return container_name(spaces.found[i].container);
	}
	return NULL;
}
