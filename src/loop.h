/* SPDX-License-Identifier: GPL-2.0-only */
/* One thread, one epoll: events of the kernel, timers, signals, and the end of the reader of our output. */
#ifndef PORTTRACE_LOOP_H
#define PORTTRACE_LOOP_H

#include <stdint.h>

struct loop;

typedef void (*loop_fn)(void *context);

/* Up to 16 things can be waited for. NULL with errno. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Calls `ready` when fd is readable; returns an id for loop_pause(), or -errno. */
int loop_add_fd(struct loop *loop, int fd, loop_fn ready, void *context);
/* Calls `tick` every interval_ns; an id for loop_set_timer(), or -errno. 0: not running yet. */
int loop_add_timer(struct loop *loop, uint64_t interval_ns, loop_fn tick, void *context);
/* Runs the timer once after delay_ns; 0 stops it. */
void loop_set_timer(struct loop *loop, int id, uint64_t delay_ns);
/* Stops on INT, TERM and HUP; a second signal then ends the process at once. */
int loop_add_signals(struct loop *loop);
/* Stops when nobody can read fd any more: a closed pipe. Harmless for files. */
void loop_watch_output(struct loop *loop, int fd);

/* Leaves fd unwatched, or watches it again. */
void loop_pause(struct loop *loop, int id);
void loop_resume(struct loop *loop, int id);

/* Returns when loop_stop() was called or a signal came. 0 or -errno. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

#endif
