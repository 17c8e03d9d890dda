/* SPDX-License-Identifier: GPL-2.0-only */
/* What this kernel and these privileges allow, found by trying, never by a version. */
#ifndef PORTTRACE_SOURCE_FEATURES_H
#define PORTTRACE_SOURCE_FEATURES_H

#include <stdbool.h>
#include <stddef.h>

#define FEATURES_MAX 16

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

/* Whether a backend can be used at all here; `reason` says why not. enum backend. */
bool features_backend(int backend, char *reason, size_t size);

#endif
