/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * planted COUNT [STORM CHURNERS]: makes COUNT port conflicts, one after the other, each with its own
 * holders, and prints a line for each:
 *
 *   PORT PROTOCOL CAUSE KIND CALLER HOLDER[,HOLDER...]
 *
 * Kinds: `stays`, the holder keeps the port for STAY_US; `leaves`, the holder exits as soon as the caller
 * has been refused; `left`, the holder exited before (TIME_WAIT). Loopback only. Meanwhile CHURNERS processes
 * run STORM, alternately `connect` and `bind`, as fast as they can at nice 19. An unplanned outcome ends
 * the program with a message and status 1, misuse with status 2.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_PORT 20000 /* below the ephemeral range: the kernel gives these ports to no other socket */
#define STAY_US	   5000000 /* on a busy machine porttrace may read the descriptors this late */
#define PAUSE_US   15000 /* 1,000 conflicts in about 20 s */
#define HOLDERS	   3
#define CHURNERS_MAX 1000
#define COUNT_MAX    9000

enum kind { STAYS, LEAVES, LEFT };

static const struct plan {
	const char *cause;
	int type; /* SOCK_ */
	bool listens, connects;
	int holders;
	enum kind kind;
} plans[] = {
	{"listener-exists", SOCK_STREAM, true, false, 1, STAYS},
	{"bound-not-listening", SOCK_STREAM, false, false, 1, STAYS},
	{"udp-holder", SOCK_DGRAM, false, false, 1, STAYS},
	{"listener-exists", SOCK_STREAM, true, false, HOLDERS, STAYS},
	{"accepted-connection", SOCK_STREAM, true, true, 1, STAYS},
	{"listener-exists", SOCK_STREAM, true, false, 1, LEAVES},
	{"bound-not-listening", SOCK_STREAM, false, false, 1, LEAVES},
	{"udp-holder", SOCK_DGRAM, false, false, 1, LEAVES},
	{"time-wait", SOCK_STREAM, true, true, 1, LEFT},
};

static const struct plan *plan_of(int i)
{
	return &plans[(size_t)i % (sizeof(plans) / sizeof(plans[0]))];
}

static void die(const char *what)
{
	fprintf(stderr, "planted: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct sockaddr_in place(int port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static int open_socket(int type)
{
	int fd = socket(AF_INET, type, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static int bound_socket(int type, int port)
{
	struct sockaddr_in there = place(port);
	int fd = open_socket(type);

	if (bind(fd, (struct sockaddr *)&there, sizeof(there)))
		die("bind of the holder");
	return fd;
}

/* This process has both ends and closes the listener. leave: the accepted end closes first (TIME_WAIT). */
static void connect_to_self(int listener, int port, bool leave)
{
	struct sockaddr_in there = place(port);
	int client = open_socket(SOCK_STREAM), accepted;
	char end;

	if (connect(client, (struct sockaddr *)&there, sizeof(there)))
		die("connect");
	accepted = accept(listener, NULL, NULL);
	if (accepted < 0)
		die("accept");
	close(listener);
	if (!leave)
		return;
	close(accepted);
	if (read(client, &end, 1))
		die("end of the connection");
	close(client);
}

/* Writes to `ready` that it holds the port; then stays for STAY_US, or until the other end of `go` is closed. */
static void hold(const struct plan *plan, int port, int ready, int go)
{
	int fd = bound_socket(plan->type, port);
	char end;

	if (plan->listens && listen(fd, 8))
		die("listen");
	if (plan->connects)
		connect_to_self(fd, port, plan->kind == LEFT);
	for (int i = 1; i < plan->holders; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			break;
	}
	pid_t self = getpid();

	if (write(ready, &self, sizeof(self)) != sizeof(self))
		die("ready");
	if (plan->kind == STAYS)
		usleep(STAY_US);
	else if (plan->kind == LEAVES && read(go, &end, 1))
		die("go");
	_exit(0);
}

static void refuse(const struct plan *plan, int port)
{
	struct sockaddr_in there = place(port);
	int fd = open_socket(plan->type);

	if (!bind(fd, (struct sockaddr *)&there, sizeof(there)) || errno != EADDRINUSE)
		die("bind of the caller");
	close(fd);
}

/* The holders of one port, and the pipe whose end makes them exit. */
struct planted {
	pid_t pids[HOLDERS];
	int go;
};

static void begin(const struct plan *plan, int port, struct planted *planted)
{
	int ready[2], go[2];
	pid_t pid;

	if (pipe(ready) || pipe(go))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "pt-planted");
		close(go[1]);
		hold(plan, port, ready[1], go[0]);
	}
	for (int i = 0; i < plan->holders; i++) {
		if (read(ready[0], &planted->pids[i], sizeof(pid)) != sizeof(pid))
			die("ready");
	}
	if (plan->kind == LEFT)
		waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	planted->go = go[1];
}

static void end(const struct plan *plan, int port, const struct planted *planted)
{
	static const char *const kinds[] = {"stays", "leaves", "left"};

	refuse(plan, port);
	close(planted->go);
	if (plan->kind == LEAVES)
		waitpid(planted->pids[0], NULL, 0);
	printf("%d %s %s %s %d ", port, plan->type == SOCK_STREAM ? "tcp" : "udp", plan->cause,
	       kinds[plan->kind], getpid());
	for (int i = 0; i < plan->holders; i++)
		printf("%s%d", i ? "," : "", planted->pids[i]);
	printf("\n");
}

/* No process starts STORM before all processes exist. */
static void churn(const char *storm, int count, pid_t *churners)
{
	int gate[2];
	char begin;

	if (pipe(gate))
		die("pipe");
	for (int i = 0; i < count; i++) {
		churners[i] = fork();
		if (churners[i] < 0)
			die("fork");
		if (churners[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
		setpriority(PRIO_PROCESS, 0, 19);
		close(gate[1]);
		if (read(gate[0], &begin, 1))
			die("gate");
		close(STDOUT_FILENO);
		execl(storm, storm, i % 2 ? "bind" : "connect", "1000000000", NULL);
		die(storm);
	}
	close(gate[0]);
	close(gate[1]);
	usleep(500000);
}

/* Every process must still run: one that has ended is an error. */
static void end_churn(int count, const pid_t *churners)
{
	for (int i = 0; i < count; i++) {
		if (kill(churners[i], 0) || waitpid(churners[i], NULL, WNOHANG))
			die("a churner");
		kill(churners[i], SIGKILL);
	}
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 0, churners = argc == 4 ? atoi(argv[3]) : 0;
	static struct planted planted[COUNT_MAX];
	pid_t pids[CHURNERS_MAX];

	if ((argc != 2 && argc != 4) || count < 1 || count > COUNT_MAX || churners < 0 || churners > CHURNERS_MAX) {
		fprintf(stderr, "usage: planted COUNT [STORM CHURNERS]\n");
		return 2;
	}
	/* Run before the busy processes: otherwise this process would wait for a CPU instead of making conflicts. */
	if (sched_setscheduler(0, SCHED_RR, &(struct sched_param){.sched_priority = 1}))
		die("sched_setscheduler");
	/* The kernel limits the number of TIME_WAITs, so make these before the storm makes its own. */
	for (int i = 0; i < count; i++) {
		if (plan_of(i)->kind == LEFT)
			begin(plan_of(i), FIRST_PORT + i, &planted[i]);
	}
	churn(argv[2], churners, pids);
	for (int i = 0; i < count; i++) {
		if (plan_of(i)->kind != LEFT)
			begin(plan_of(i), FIRST_PORT + i, &planted[i]);
		end(plan_of(i), FIRST_PORT + i, &planted[i]);
		usleep(PAUSE_US);
	}
	end_churn(churners, pids);
	while (wait(NULL) > 0)
		;
	return fflush(stdout) || ferror(stdout);
}
