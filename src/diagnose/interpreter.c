/* SPDX-License-Identifier: GPL-2.0-only */
#include "diagnose/interpreter.h"

#include <stddef.h>
#include <string.h>

bool exe_is_interpreter(const char *exe)
{
	static const char *const names[] = {"python", "pypy", "node", "nodejs", "deno", "bun", "ruby", "perl", "php", "java",
					    "bash", "dash", "sh", "zsh", "busybox", "dotnet", "mono", "beam.smp", "lua",
					    "tclsh", "qemu-system-x86_64", "qemu-system-aarch64", "qemu-kvm"};
	const char *slash = strrchr(exe, '/'), *name = slash ? slash + 1 : exe;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t length = strlen(names[i]);

		/* with a version: "python3.11" */
		if (!strncmp(name, names[i], length) && !name[length + strspn(name + length, "0123456789.-")])
			return true;
	}
	return false;
}

/* The kernel adds " (deleted)" to the path of a program that was replaced by an update. */
static size_t path_length(const char *exe)
{
	const char *end = strstr(exe, " (deleted)");

	return end ? (size_t)(end - exe) : strlen(exe);
}

bool process_is_same_program(const struct process *a, const struct process *b)
{
	size_t length = path_length(a->exe);

	if (!length || length != path_length(b->exe) || memcmp(a->exe, b->exe, length))
		return false;
	return !exe_is_interpreter(a->exe) || (a->cmdline[0] && !strcmp(a->cmdline, b->cmdline));
}
