/* SPDX-License-Identifier: GPL-2.0-only */
/* epoll(7) with a callback for each descriptor. */
#include "loop.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define WATCHES_MAX 16

/*
 * timeout(1) signals its child and then the child's process group, so one request is two signals. Only a signal
 * that comes later than this after the first one counts as a second request.
 */
#define REPEATED_SIGNAL_NS 300000000ULL

#define LATE_S	 1    /* after the signal: see on_late_end() */
#define STUCK_MS 1000 /* a reader that has read nothing for so long has stopped */

struct watch {
	int fd;
	bool owned, is_timer;
	loop_fn fn;
	void *context;
};

struct loop {
	int epoll;
	bool stopped;
	struct watch watches[WATCHES_MAX];
	int count;
};

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	for (int i = 0; i < loop->count; i++) {
		if (loop->watches[i].owned)
			close(loop->watches[i].fd);
	}
	close(loop->epoll);
	free(loop);
}

static int watch_add(struct loop *loop, struct watch watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u32 = (uint32_t)loop->count};

	if (loop->count == WATCHES_MAX)
		return -ENOSPC;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watch.fd, &event))
		return -errno;
	loop->watches[loop->count] = watch;
	return loop->count++;
}

int loop_add_fd(struct loop *loop, int fd, loop_fn ready, void *context)
{
	return watch_add(loop, (struct watch){.fd = fd, .fn = ready, .context = context}, EPOLLIN);
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

int loop_add_timer(struct loop *loop, uint64_t interval_ns, loop_fn tick, void *context)
{
	struct itimerspec spec = {
		.it_interval = timespec_of(interval_ns),
		.it_value = timespec_of(interval_ns),
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int id;

	if (fd < 0)
		return -errno;
	timerfd_settime(fd, 0, &spec, NULL);
	id = watch_add(loop,
		       (struct watch){.fd = fd, .owned = true, .is_timer = true, .fn = tick, .context = context},
		       EPOLLIN);
	if (id < 0)
		close(fd);
	return id;
}

void loop_set_timer(struct loop *loop, int id, uint64_t delay_ns)
{
	struct itimerspec spec = {.it_value = timespec_of(delay_ns)};

	timerfd_settime(loop->watches[id].fd, 0, &spec, NULL);
}

/* Static, because a signal handler gets no argument from porttrace. */
static uint64_t first_signal_ns; /* CLOCK_MONOTONIC; 0: no signal yet. Written by the handler only. */
static int signal_event = -1;
static int output = -1; /* of loop_watch_output() */

/*
 * The process should have ended by now. Perhaps it writes into a pipe or a terminal whose reader has stopped: then the
 * output takes nothing for as long as this handler waits.
 */
static void on_late_end(int number)
{
	static const char message[] = "porttrace: the output is not read; what was not written yet is lost\n";
	struct pollfd room = {.fd = output, .events = POLLOUT};
	int err = errno;

	(void)number;
	if (output >= 0 && poll(&room, 1, STUCK_MS) == 0) {
		if (write(STDERR_FILENO, message, sizeof(message) - 1) < 0)
			errno = 0; /* standard error is closed too */
		_exit(EXIT_FAILURE);
	}
	alarm(LATE_S);
	errno = err;
}

static void on_signal(int number)
{
	const uint64_t one = 1;
	struct timespec now;
	uint64_t now_ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	if (first_signal_ns) {
		/* The handler ends the process, because the main loop may block in a write to a full pipe. */
		if (now_ns - first_signal_ns > REPEATED_SIGNAL_NS)
			_exit(128 + number);
		return;
	}
	first_signal_ns = now_ns;
	alarm(LATE_S);
	if (write(signal_event, &one, sizeof(one)) < 0)
		_exit(128 + number);
}

static void on_signal_event(void *context)
{
	loop_stop(context);
}

/* A signal that the process inherited as ignored remains ignored: nohup(1) and background jobs rely on that. */
static void handle_signal(int number)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;

	/* Block the other signals in the handler, because all handlers share first_signal_ns. */
	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGTERM);
	sigaddset(&action.sa_mask, SIGHUP);
	if (sigaction(number, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		sigaction(number, &action, NULL);
}

int loop_add_signals(struct loop *loop)
{
	const struct sigaction late_end = {.sa_handler = on_late_end, .sa_flags = SA_RESTART};
	int id;

	signal_event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (signal_event < 0)
		return -errno;
	id = watch_add(loop,
		       (struct watch){
			       .fd = signal_event, .owned = true, .fn = on_signal_event, .context = loop},
		       EPOLLIN);
	if (id < 0) {
		close(signal_event);
		return id;
	}
	handle_signal(SIGINT);
	handle_signal(SIGTERM);
	handle_signal(SIGHUP);
	sigaction(SIGALRM, &late_end, NULL);
	return id;
}

static void on_output_closed(void *context)
{
	loop_stop(context);
}

void loop_watch_output(struct loop *loop, int fd)
{
	output = fd;
	/* EPOLLERR and EPOLLHUP are always reported. epoll refuses regular files (EPERM), which have no reader. */
	watch_add(loop, (struct watch){.fd = fd, .fn = on_output_closed, .context = loop}, 0);
}

static void watch_events(struct loop *loop, int id, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.u32 = (uint32_t)id};

	epoll_ctl(loop->epoll, EPOLL_CTL_MOD, loop->watches[id].fd, &event);
}

void loop_pause(struct loop *loop, int id)
{
	watch_events(loop, id, 0);
}

void loop_resume(struct loop *loop, int id)
{
	watch_events(loop, id, EPOLLIN);
}

int loop_run(struct loop *loop)
{
	while (!loop->stopped) {
		struct epoll_event events[WATCHES_MAX];
		int count = epoll_wait(loop->epoll, events, WATCHES_MAX, -1);

		if (count < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < count && !loop->stopped; i++) {
			struct watch *watch = &loop->watches[events[i].data.u32];
			uint64_t expirations;

			if (watch->is_timer && read(watch->fd, &expirations, sizeof(expirations)) < 0)
				continue;
			watch->fn(watch->context);
		}
	}
	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
