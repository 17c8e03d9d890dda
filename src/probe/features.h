/* SPDX-License-Identifier: GPL-2.0-only */
/* What this kernel and these privileges allow, found by trying, never by a version. */
#ifndef PORTTRACE_PROBE_FEATURES_H
#define PORTTRACE_PROBE_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

#define FEATURES_MAX 16

#define FEATURES_NO_BTF                                                         \
	"this kernel has no BTF (/sys/kernel/btf/vmlinux); it must be built with " \
	"CONFIG_DEBUG_INFO_BTF"

struct feature {
	const char *name;
	bool works;
	char says[192]; /* why not and what to do, or what it is good for */
};

struct features {
	char kernel[65];
	struct feature list[FEATURES_MAX];
	size_t count;
};

void features_find(struct features *features);

/* To bind() a connection without a process is root's, whosever it was: before "net: remove sock_i_uid()" (6.17). */
bool features_orphan_is_root(void);

/* How many of the capabilities that porttrace needs are not there; their names, joined by ", ". */
size_t features_missing_privileges(char *names, size_t size);

/* Booted with lockdown=confidentiality, or set to it since: programs may not read the kernel's memory. */
bool features_is_locked_down(void);

/*
 * Why loading and attaching failed with err (negative), in words. program: the first that was refused, or "";
 * way: why the first fact is traced by nothing, or "". The error to go on with: -ENOTSUP where the kernel lacks it,
 * -EPERM or -EACCES the privileges, else err.
 */
int features_explain(int err, const char *program, const char *way, char *reason, size_t size);

/* Whether a backend can be used at all here; `reason` says why not. enum backend. */
bool features_backend(int backend, char *reason, size_t size);

#endif
