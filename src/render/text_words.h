/* SPDX-License-Identifier: GPL-2.0-only */
/* Parts of text lines that several views share. */
#ifndef PORTTRACE_RENDER_TEXT_WORDS_H
#define PORTTRACE_RENDER_TEXT_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"
#include "render/renderer.h"
#include "render/text_line.h"

/* "nginx", escaped. is_cut: at most COMM_COLUMNS wide; only a name with control characters is longer. */
#define COMM_COLUMNS 18
void text_comm(struct text_line *line, const char *comm, bool is_cut);
/* "nginx[812]" */
void text_who(struct text_line *line, const char *comm, uint32_t pid);
/* The name of a network namespace, else its inode number */
void text_netns(struct text_line *line, const struct render_options *options, uint32_t netns);
/* "alice", else the uid after `before_uid` */
void text_user(struct text_line *line, const char *before_uid, const struct wire_task *task,
	       const struct process *process);
/* " alice, up 2 h": whose a process is, and its age */
void text_process(struct text_line *line, const struct wire_task *task, const struct process *process,
		  uint64_t now_boot_ns);
/* "\"node server.js\" in ~/shop, by zsh[4100]": what it runs, where, and what started it, in at most `room` columns;
 * nothing if that says no more than its name. */
void text_program(struct text_line *line, const struct process *process, size_t room);
/* Adds ", " unless the line is empty. The caller adds the item. */
void text_item(struct text_line *line);
void text_options(struct text_line *line, const struct wire_sock *sk);
/* Of a holder: only those by which it may share its port. */
void text_sharing_options(struct text_line *line, const struct wire_sock *sk);
void text_interface(struct text_line *line, const char *interface);
/* systemd unit and container of a process; NULL: nothing */
void text_place(struct text_line *line, const struct render_options *options, const struct process *process);
/* "  12 failed", marked as a failure; nothing for 0. */
void text_failed(struct text_line *line, uint64_t count);

#endif
