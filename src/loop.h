/* SPDX-License-Identifier: GPL-2.0-only */
/* The main loop: waits for descriptors, timers and signals, and calls back. One thread. */
#ifndef PORTTRACE_LOOP_H
#define PORTTRACE_LOOP_H

#include <stdint.h>

struct loop;

typedef void (*loop_fn)(void *context);

/* A loop watches at most 16 descriptors and timers. NULL with errno. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* Calls `ready` whenever fd is readable. fd stays the caller's. Returns an id for loop_pause(), or -errno. */
int loop_add_fd(struct loop *loop, int fd, loop_fn ready, void *context);
/* Calls `tick` every interval_ns; 0: not until loop_set_timer(). Returns an id, or -errno. */
int loop_add_timer(struct loop *loop, uint64_t interval_ns, loop_fn tick, void *context);
/* The timer ticks once, after delay_ns, and no more; 0 stops it. */
void loop_set_timer(struct loop *loop, int id, uint64_t delay_ns);
/*
 * SIGINT, SIGTERM and SIGHUP stop the loop, unless the process inherited them as ignored. One that comes more
 * than 0.3 s after the first ends the process at once, with status 128 + its number. At most one loop of a
 * process may call this. Returns an id, or -errno.
 */
int loop_add_signals(struct loop *loop);
/* The loop stops when the reader of fd has closed its end of the pipe (not a regular file). If the reader has stopped
 * reading, SIGINT, SIGTERM and SIGHUP end the process although it waits in a write to fd: status 1, and a message. */
void loop_watch_output(struct loop *loop, int fd);

/* Stops and resumes watching the descriptor of loop_add_fd(). */
void loop_pause(struct loop *loop, int id);
void loop_resume(struct loop *loop, int id);

/* Returns 0 after loop_stop() or a signal, or -errno. */
int loop_run(struct loop *loop);
/* May be called from a callback; no other callback runs after it. */
void loop_stop(struct loop *loop);

#endif
