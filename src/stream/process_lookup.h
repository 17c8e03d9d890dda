/* SPDX-License-Identifier: GPL-2.0-only */
/* Facts that the model has, or that the source can be asked for once: a process, a device's name. */
#ifndef PORTTRACE_STREAM_PROCESS_LOOKUP_H
#define PORTTRACE_STREAM_PROCESS_LOOKUP_H

#include "model/model.h"
#include "source/source.h"

/* Borrowed until the model next learns of a process. NULL: nobody, or it has gone. `source` may be NULL. */
const struct process *process_lookup(struct model *model, struct source *source, const struct wire_task *task);
/* SO_BINDTODEVICE by name; "": none, or gone. */
const char *interface_lookup(struct model *model, struct source *source, const struct wire_sock *sock);

#endif
