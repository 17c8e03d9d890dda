/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Compares the rules of src/diagnose with the kernel. Makes random sockets on one port; before each bind() and
 * listen() it asks the rules for a verdict, which must equal the errno that the kernel then returns. The program
 * keeps its own account of every socket and reads nothing from porttrace. It runs in its own network namespace.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "account.h"
#include "diagnose/remedy.h"

#define FIRST_PRIVILEGED 100
#define FIRST_PORT	 3000
#define PORTS_OF_NETNS	 6000
#define MINIMIZE_ROUNDS	 4

struct disagreement {
	bool found;
	size_t op;
	uint32_t kernel, engine;
};

static bool op_run(struct world *w, const struct op *op)
{
	struct end *end = &w->ends[op->slot];

	if (op->slot >= w->count)
		return true;
	if (op->kind == OP_SOCKET) {
		if (w->loud)
			op_print(op, 0);
		do_socket(end, op);
		return true;
	}
	if (op->kind == OP_PEER_CLOSE || op->kind == OP_PEER_RESET) {
		if (end->peer < 0)
			return true;
	} else if (end->fd < 0) {
		return true;
	}
	if (w->loud)
		op_print(op, end->sock.family);
	switch ((enum op_kind)op->kind) {
	case OP_OPTION:
		do_option(end, op);
		break;
	case OP_DEVICE:
		do_device(end, op);
		break;
	case OP_OWNER:
		do_owner(end, op);
		break;
	case OP_BIND:
		return do_bind(w, end, op);
	case OP_LISTEN:
		return do_listen(w, end);
	case OP_CONNECT:
		do_connect(w, end, op);
		break;
	case OP_INCOMING:
		do_incoming(w, end, op);
		break;
	case OP_PEER_CLOSE:
		do_peer_close(w, end);
		break;
	case OP_PEER_RESET:
		do_peer_reset(w, end);
		break;
	case OP_SHUTDOWN:
		do_shutdown(w, end);
		break;
	case OP_DISCONNECT:
		do_disconnect(w, end);
		break;
	case OP_CLOSE:
	case OP_RESET:
		do_close(w, end, op->kind == OP_RESET);
		break;
	case OP_SOCKET:
	case OP_KINDS:
		break;
	}
	return true;
}

struct totals {
	unsigned long checked, refused, unoffered, remedies[REMEDY_WAIT + 1];
};

static struct disagreement scenario_run(const struct scenario *s, bool loud, struct totals *totals)
{
	static struct world w;
	struct disagreement d = {0};

	if (lab.ports_used >= PORTS_OF_NETNS ||
	    FIRST_PRIVILEGED + lab.privileged_used >= IPPORT_RESERVED)
		lab_renew();
	memset(&w, 0, sizeof(w));
	w.loud = loud;
	w.draw = s->draw;
	w.port = s->is_privileged ? (uint16_t)(FIRST_PRIVILEGED + lab.privileged_used++)
				  : (uint16_t)(FIRST_PORT + lab.ports_used++);
	for (size_t i = 0; i < SOCKETS; i++)
		world_add(&w);
	if (loud)
		printf("port %u\n", w.port);
	for (size_t i = 0; i < s->count && !w.is_over; i++) {
		if (op_run(&w, &s->ops[i]))
			continue;
		d = (struct disagreement){true, i, w.kernel, w.engine};
		break;
	}
	for (size_t i = 0; i < w.count; i++) {
		if (w.ends[i].fd >= 0) {
			linger_0(w.ends[i].fd);
			close(w.ends[i].fd);
		}
		if (w.ends[i].peer >= 0)
			close(w.ends[i].peer);
	}
	if (totals) {
		totals->checked += w.checked;
		totals->refused += w.refused;
		totals->unoffered += w.unoffered;
		for (size_t i = 0; i < COUNT(w.remedies); i++)
			totals->remedies[i] += w.remedies[i];
	}
	return d;
}

/* Removes operations from the scenario as long as it still disagrees. */
static void scenario_minimize(struct scenario *s)
{
	for (int round = 0; round < MINIMIZE_ROUNDS; round++) {
		size_t before = s->count;

		for (size_t i = s->count; i-- > 0;) {
			struct scenario less = *s;

			memmove(&less.ops[i], &less.ops[i + 1],
				(less.count - i - 1) * sizeof(less.ops[0]));
			less.count--;
			if (scenario_run(&less, false, NULL).found)
				*s = less;
		}
		if (s->count == before)
			return;
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static unsigned long number_of(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 0);

	if (!*text || *end) {
		fprintf(stderr, "diff: '%s' is not a number\n", text);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
						{"count", required_argument, NULL, 'n'},
						{"only", required_argument, NULL, 'o'},
						{0}};
	unsigned long seed = (unsigned long)time(NULL), count = 5000, first = 0, unstable = 0;
	struct rlimit files = {65536, 65536};
	struct totals totals = {0};
	bool loud = false;
	double began;
	int c;

	while ((c = getopt_long(argc, argv, "s:n:o:", options, NULL)) >= 0) {
		if (c == 's')
			seed = number_of(optarg);
		else if (c == 'n')
			count = number_of(optarg);
		else if (c == 'o')
			first = number_of(optarg), count = first + 1, loud = true;
		else
			return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (geteuid()) {
		printf("skipped: needs root\n");
		return 77;
	}
	signal(SIGPIPE, SIG_IGN);
	setrlimit(RLIMIT_NOFILE, &files);
	lab_renew();
	lab_probe();
	printf("seed %lu, %lu scenarios; fastreuse %s, mptcp %s, mapped any %s, bucket %s after its last bind()\n",
	       seed, count - first, lab.fast_reuse ? "works" : "is dead",
	       lab.has_mptcp ? "yes" : "no", lab.mapped_any_unseen ? "unseen" : "seen", lab.unbind_clears ? "as new" : "as before");
	began = now();
	for (unsigned long i = first; i < count; i++) {
		struct scenario s;
		struct disagreement d;

		scenario_make(&s, seed, i);
		lab.scenario = i;
		d = scenario_run(&s, loud, &totals);
		if (!d.found)
			continue;
		/* A late packet can cause a difference, so only a repeatable one counts. */
		if (!scenario_run(&s, false, NULL).found) {
			unstable++;
			continue;
		}
		printf("DISAGREEMENT in scenario %lu of seed %lu: kernel %s, engine %s\n", i, seed,
		       name_of(d.kernel), name_of(d.engine));
		s.count = d.op + 1;
		scenario_run(&s, true, NULL);
		scenario_minimize(&s);
		printf("the shortest scenario with this disagreement:\n");
		scenario_run(&s, true, NULL);
		return 1;
	}
	printf("%lu scenarios, %lu calls, %lu refused, %lu not repeatable, no disagreement, %.1f s\n",
	       count - first, totals.checked, totals.refused, unstable, now() - began);
	for (size_t i = 0; i < COUNT(totals.remedies); i++) {
		if (totals.remedies[i])
			printf("  %s: carried out %lu times, and the call succeeded\n",
			       remedy_action_name((enum remedy_action)i), totals.remedies[i]);
	}
	printf("  not offered: tried %lu times, and the call was refused again\n", totals.unoffered);
	return 0;
}
