/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * After a refused bind(), carries out one of the remedies of src/diagnose on the real sockets and makes the call again,
 * which must succeed. For the engine, each end is a separate process (pid FIRST_PID + index).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account.h"
#include "diagnose/command.h"
#include "diagnose/remedy.h"
#include "diagnose/rules.h"
#include "system/netns_read.h"

#define FIRST_PID  1000
#define CALLER_PID 7
#define SETTLE_US  3000 /* time for the segments of a close() on loopback */
#define SETTLE_TRIES 50

static void holder_fill(const struct world *w, size_t index, struct holder *holder)
{
	const struct end *end = &w->ends[index];

	memset(holder, 0, sizeof(*holder));
	holder->sock = end->sock;
	holder->substate = end->substate;
	if (end->queued)
		holder->sock.flags |= WIRE_ACCEPTED;
	if (end->fd < 0 && !end->queued && end->sock.state != WIRE_TCP_TIME_WAIT)
		holder->sock.flags |= WIRE_ORPHAN;
	if (end->fd < 0)
		return;
	holder->pids[0].pid = FIRST_PID + (uint32_t)index;
	snprintf(holder->pids[0].comm, sizeof(holder->pids[0].comm), "end");
	holder->owner = holder->pids[0];
	holder->pid_count = 1;
}

/* In the order of UDP's slots: the highest `order` first. */
static size_t holders_fill(const struct world *w, struct holder *holders)
{
	bool done[ENDS] = {false};
	size_t count = 0;

	for (;;) {
		size_t next = w->count;

		for (size_t i = 0; i < w->count; i++) {
			if (w->ends[i].holds && !done[i] && (next == w->count || w->ends[i].order > w->ends[next].order))
				next = i;
		}
		if (next == w->count)
			return count;
		done[next] = true;
		holder_fill(w, next, &holders[count++]);
	}
}

static void set_option(int fd, const char *name)
{
	int on = 1;

	if (!strcmp(name, "SO_REUSEADDR"))
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	else if (!strcmp(name, "SO_REUSEPORT"))
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	else if (!strcmp(name, "IPV6_V6ONLY"))
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

/* Calls act() for every pid in "kill 1000 1001", or in "end[1000], end[1001]". */
static void each_end(struct world *w, const char *text, const char *before, void (*act)(struct end *, const char *),
		     const char *argument)
{
	for (const char *at = text; (at = strstr(at, before)); at += strlen(before)) {
		unsigned long pid = strtoul(at + strlen(before), NULL, 10);

		if (pid >= FIRST_PID && pid < FIRST_PID + w->count)
			act(&w->ends[pid - FIRST_PID], argument);
	}
}

static void end_close(struct end *end, const char *unused)
{
	(void)unused;
	if (end->fd >= 0)
		close(end->fd);
	end->fd = -1;
}

static void end_set(struct end *end, const char *option)
{
	if (end->fd >= 0)
		set_option(end->fd, option);
}

/* Runs the printed command, but closes an end instead of killing its process. false: neither kill nor ss. */
static bool command_run(struct world *w, const char *command)
{
	const char *ss = strstr(command, "ss -");
	char quiet[COMMAND_SIZE + 32];

	if (strncmp(command, "kill ", 5) && ss != command)
		return false;
	if (ss != command) {
		size_t length = strcspn(command, ";");
		char kill[COMMAND_SIZE];

		snprintf(kill, sizeof(kill), "%.*s", (int)length, command);
		each_end(w, kill, " ", end_close, NULL);
		usleep(SETTLE_US);
	}
	if (!ss)
		return true;
	snprintf(quiet, sizeof(quiet), "{ %s; } >/dev/null", ss);
	return system(quiet) == 0;
}

/* false: the test cannot carry out this remedy. */
static bool carry_out(struct world *w, struct end *end, const struct remedy *remedy)
{
	switch (remedy->action) {
	case REMEDY_SET_CALLER_OPTION:
		set_option(end->fd, remedy->option);
		return true;
	case REMEDY_SET_HOLDER_OPTION:
		/* IPV6_V6ONLY cannot be set once the socket has a port. */
		if (strstr(remedy->text, " more") || !strcmp(remedy->option, "IPV6_V6ONLY"))
			return false;
		each_end(w, remedy->text, "[", end_set, remedy->option);
		if (strstr(remedy->text, "before bind()"))
			set_option(end->fd, remedy->option);
		return true;
	case REMEDY_STOP_PROCESS:
	case REMEDY_DESTROY_SOCKET:
		return command_run(w, remedy->command);
	case REMEDY_STOP_UNIT:
	case REMEDY_STOP_CONTAINER:
	case REMEDY_OTHER_PORT:
	case REMEDY_OTHER_ADDRESS:
	case REMEDY_SYSCTL:
	case REMEDY_GRANT_CAPABILITY:
	case REMEDY_RESERVE_PORT:
	case REMEDY_USE_INHERITED_FD:
	case REMEDY_FIX_ADDRESS:
	case REMEDY_START_PROCESS:
	case REMEDY_WAIT:
		return false;
	}
	return false;
}

static bool offers(const struct conflict *conflict, enum remedy_action action, const char *option)
{
	for (size_t i = 0; i < conflict->remedy_count; i++) {
		if (conflict->remedies[i].action == action && (!option || !strcmp(conflict->remedies[i].option, option)))
			return true;
	}
	return conflict->remedy_count == CONFLICT_REMEDIES_MAX;
}

/* What is tried although it is not offered, in turn. */
enum unoffered {
	UNOFFERED_REUSEADDR,
	UNOFFERED_REUSEPORT,
	UNOFFERED_V6ONLY,
	UNOFFERED_DESTROY,
	UNOFFERED_STOP,
	UNOFFERED_KINDS
};

static const char *const unoffered_names[] = {"SO_REUSEADDR", "SO_REUSEPORT", "IPV6_V6ONLY", "ss -K of the port",
					      "the end of every holder"};

static void stop_all(struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		if (w->ends[i].holds)
			end_close(&w->ends[i], NULL);
	}
	usleep(SETTLE_US);
}

static bool has_listener(const struct world *w)
{
	for (size_t i = 0; i < w->count; i++) {
		if (w->ends[i].holds && w->ends[i].sock.state == WIRE_TCP_LISTEN)
			return true;
	}
	return false;
}

/* false: nothing was changed. */
static bool try_option(struct end *end, const struct claim *claim, const struct conflict *conflict, uint32_t flag,
		       const char *name)
{
	if (claim->sock.flags & flag || offers(conflict, REMEDY_SET_CALLER_OPTION, name))
		return false;
	set_option(end->fd, name);
	return true;
}

/*
 * What is not offered must not help, unless the bucket has cached options that its sockets have cleared. false: nothing
 * was tried. To stop the holders is offered together with what destroys their connections, too.
 */
static bool try_unoffered(struct world *w, struct end *end, const struct claim *claim, const struct conflict *conflict,
			  enum unoffered what)
{
	char command[64];

	if (w->bucket.fastreuse > 0 || w->bucket.fastreuseport > 0)
		return false;
	switch (what) {
	case UNOFFERED_REUSEADDR:
		return try_option(end, claim, conflict, WIRE_REUSEADDR, "SO_REUSEADDR");
	case UNOFFERED_REUSEPORT:
		return try_option(end, claim, conflict, WIRE_REUSEPORT, "SO_REUSEPORT");
	case UNOFFERED_V6ONLY:
		return claim->sock.family == AF_INET6 && !sock_is_mapped(&claim->sock) &&
		       try_option(end, claim, conflict, WIRE_V6ONLY, "IPV6_V6ONLY");
	case UNOFFERED_DESTROY:
		/* A listener becomes a bound socket, which may share the port; its process no longer serves then. */
		if (claim->sock.protocol == IPPROTO_UDP || offers(conflict, REMEDY_DESTROY_SOCKET, NULL) ||
		    has_listener(w))
			return false;
		snprintf(command, sizeof(command), "ss -taK sport = :%u >/dev/null 2>&1", w->port);
		return system(command) == 0;
	case UNOFFERED_STOP:
		if (offers(conflict, REMEDY_STOP_PROCESS, NULL))
			return false;
		stop_all(w);
		return true;
	case UNOFFERED_KINDS:
		break;
	}
	return false;
}

bool do_remedy(struct world *w, struct end *end, const struct claim *refused, unsigned int draw,
	       uint32_t (*again)(const struct end *end, const struct claim *claim))
{
	static struct holder holders[ENDS];
	static uint8_t reserved[NETNS_PORTS];
	static struct conflict conflict;
	static struct netns_entry netns;
	struct failure failure = {.holders = holders, .holder_count = holders_fill(w, holders)};
	const struct remedy *remedy = NULL;
	struct claim claim = *refused;
	uint32_t error;

	claim.error = EADDRINUSE;
	claim.task.pid = CALLER_PID;
	claim.bucket = NULL;
	if (!netns.now.has)
		netns_read(&netns.now, reserved);
	claim.keeps_timewait = netns.now.has & WIRE_NETNS_KEEPS_TIMEWAIT;
	diagnose(&claim, &failure, NULL, &netns, NULL, 1, &conflict);
	w->is_over = true;
	if (draw % 4 == 0) {
		enum unoffered what = draw / 4 % UNOFFERED_KINDS;

		if (!try_unoffered(w, end, &claim, &conflict, what))
			return true;
		w->unoffered++;
		error = again(end, refused);
		log_line(w, "  %s, which was not offered: %s\n", unoffered_names[what], name_of(error));
		return compare(w, error ? EADDRINUSE : 0, EADDRINUSE);
	}
	if (conflict.remedy_count)
		remedy = &conflict.remedies[draw / 4 % conflict.remedy_count];
	if (!remedy || !carry_out(w, end, remedy))
		return true;
	w->remedies[remedy->action]++;
	error = again(end, refused);
	/* A connection whose process has exited is a socket in FIN_WAIT1 with an owner until the kernel has processed the
	 * answer to its FIN, which takes a moment on a busy machine. */
	for (int i = 0; error && i < SETTLE_TRIES; i++) {
		usleep(SETTLE_US);
		error = again(end, refused);
	}
	log_line(w, "  %s: %s\n  %s\n", remedy->text, remedy->command, name_of(error));
	return compare(w, error, 0);
}
