/* SPDX-License-Identifier: GPL-2.0-only */
/* The names in the files of docker, podman and containerd, and in files that are something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "system/container_name.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char root[] = "/tmp/porttrace-test-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void write_file(const char *path, const char *text)
{
	char whole[512];
	FILE *file;

	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	for (char *slash = whole + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(whole, 0700);
		*slash = '/';
	}
	file = fopen(whole, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void names_are_read(void **state)
{
	static const struct {
		const char *path, *text, *name;
	} rows[] = {
		{"run/containerd/io.containerd.runtime.v2.task/default/" ID "/config.json",
		 "{\"annotations\":{\"nerdctl/name\":\"cache\"}}", "cache"},
		{"run/containerd/io.containerd.runtime.v2.task/k8s.io/" ID "/config.json",
		 "{\"annotations\":{\"io.kubernetes.cri.sandbox-name\":\"web-7d4\","
		 "\"io.kubernetes.cri.sandbox-namespace\":\"shop\"}}", "shop/web-7d4"},
		{"var/lib/containers/storage/overlay-containers/containers.json",
		 "[{\"id\":\"" OTHER "\",\"names\":[\"no\"]},{\"id\":\"" ID "\",\"names\":[\"pod-web\",\"x\"]}]", "pod-web"},
		{"var/lib/docker/containers/" ID "/config.v2.json", "{\"State\":{},\"Name\":\"/web\"}", "web"},
	};
	char name[CONTAINER_NAME_SIZE];

	(void)state;
	assert_false(container_name_read(root, ID, name));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		write_file(rows[i].path, "{\"Name\":");
		write_file(rows[i].path, rows[i].text);
		assert_true(container_name_read(root, ID, name));
		assert_string_equal(name, rows[i].name);
	}
	/* Not what was expected: the next source answers. */
	write_file(rows[3].path, "[\"Name\"]");
	assert_true(container_name_read(root, ID, name));
	assert_string_equal(name, "pod-web");
	write_file(rows[2].path, "[{\"id\":5},7,{\"id\":\"" ID "\",\"names\":[]}]");
	write_file(rows[1].path, "{\"annotations\":{\"io.kubernetes.cri.sandbox-name\":7}}");
	write_file(rows[0].path, "");
	assert_false(container_name_read(root, ID, name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
