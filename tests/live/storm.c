/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * storm MODE COUNT: makes one kind of socket call COUNT times, as fast as one process can, and
 * prints the cost of one iteration. tests/bench measures with it, tests/live uses it as load.
 *
 *   connect   connect to an own listener, accept, close both ends (the client first)
 *   serverfirst  as connect, but the accepted end closes first
 *   reset     as connect, but the client closes with a reset
 *   bindconnect  as connect, to one destination, but first bind the client to port 0 of 127.0.0.1
 *   bind      bind a TCP socket to port 0, close
 *   refused   bind a TCP socket to a port that is held, which must fail with EADDRINUSE, close
 *   udp       send a datagram from a socket that has no port yet, receive it, close
 *   getppid   a system call that touches no socket
 *
 * Loopback only. Exactly COUNT operations without warm-up, so that a test can count their TIME_WAITs.
 * An unexpected outcome ends the program with a message and status 1, misuse with status 2.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * connect() uses this many loopback addresses in turn. Each has its own four-tuples, so the TIME_WAITs
 * of the loop never use half of the ephemeral range towards one address. Beyond half, the kernel's
 * port search takes many times longer and would hide the time that is measured.
 */
#define DESTINATIONS 64U

static int held = -1;		 /* listener, holder or receiver */
static struct sockaddr_in there; /* its address */

static void die(const char *what)
{
	fprintf(stderr, "storm: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(int type)
{
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void close_socket(int fd)
{
	if (close(fd))
		die("close");
}

static void hold_port(int type, in_addr_t address, int backlog)
{
	socklen_t length = sizeof(there);

	held = open_socket(type);
	there = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(address) };
	if (bind(held, (struct sockaddr *)&there, sizeof(there)))
		die("bind");
	if (backlog && listen(held, backlog))
		die("listen");
	if (getsockname(held, (struct sockaddr *)&there, &length))
		die("getsockname");
}

static void prepare_connect(void)
{
	hold_port(SOCK_STREAM, INADDR_ANY, 128);
}

static void connect_pair(int client, uint32_t destination, int *accepted)
{
	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK + destination);
	if (connect(client, (struct sockaddr *)&there, sizeof(there)))
		die("connect");
	*accepted = accept4(held, NULL, NULL, SOCK_CLOEXEC);
	if (*accepted < 0)
		die("accept");
}

/* The second end waits for the FIN of the first: if both closed at once, both would leave a TIME_WAIT. */
static void close_in_turn(int first, int second)
{
	char end;

	close_socket(first);
	if (read(second, &end, 1) != 0)
		die("read");
	close_socket(second);
}

static void one_connect(uint64_t i)
{
	int client = open_socket(SOCK_STREAM), accepted;

	connect_pair(client, (uint32_t)(i % DESTINATIONS), &accepted);
	close_in_turn(client, accepted);
}

static void one_serverfirst(uint64_t i)
{
	int client = open_socket(SOCK_STREAM), accepted;

	connect_pair(client, (uint32_t)(i % DESTINATIONS), &accepted);
	close_in_turn(accepted, client);
}

static void one_reset(uint64_t i)
{
	const struct linger at_once = { .l_onoff = 1 };
	int client = open_socket(SOCK_STREAM), accepted;

	connect_pair(client, (uint32_t)(i % DESTINATIONS), &accepted);
	if (setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)))
		die("SO_LINGER");
	close_socket(client);
	close_socket(accepted);
}

static void one_bindconnect(uint64_t i)
{
	struct sockaddr_in any_port = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int client = open_socket(SOCK_STREAM), accepted;

	(void)i;
	if (bind(client, (struct sockaddr *)&any_port, sizeof(any_port)))
		die("bind");
	connect_pair(client, 0, &accepted);
	close_in_turn(client, accepted);
}

static void prepare_bind(void)
{
	there = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void one_bind(uint64_t i)
{
	int fd = open_socket(SOCK_STREAM);

	(void)i;
	if (bind(fd, (struct sockaddr *)&there, sizeof(there)))
		die("bind");
	close_socket(fd);
}

static void prepare_refused(void)
{
	hold_port(SOCK_STREAM, INADDR_LOOPBACK, 1);
}

static void one_refused(uint64_t i)
{
	int fd = open_socket(SOCK_STREAM);

	(void)i;
	if (!bind(fd, (struct sockaddr *)&there, sizeof(there))) {
		errno = 0;
		die("bind of a held port succeeded");
	}
	if (errno != EADDRINUSE)
		die("bind of a held port");
	close_socket(fd);
}

static void prepare_udp(void)
{
	hold_port(SOCK_DGRAM, INADDR_LOOPBACK, 0);
}

static void one_udp(uint64_t i)
{
	int fd = open_socket(SOCK_DGRAM);
	char byte = (char)i;

	if (sendto(fd, &byte, 1, 0, (struct sockaddr *)&there, sizeof(there)) != 1)
		die("sendto");
	/* Empty the queue, so that every iteration starts with an empty one. */
	if (recv(held, &byte, 1, 0) != 1)
		die("recv");
	close_socket(fd);
}

static void prepare_nothing(void)
{
}

static void one_getppid(uint64_t i)
{
	(void)i;
	syscall(SYS_getppid);
}

static const struct mode {
	const char *name;
	void (*prepare)(void);
	void (*one)(uint64_t i);
} modes[] = {
	{ "connect", prepare_connect, one_connect },
	{ "serverfirst", prepare_connect, one_serverfirst },
	{ "reset", prepare_connect, one_reset },
	{ "bindconnect", prepare_connect, one_bindconnect },
	{ "bind", prepare_bind, one_bind },
	{ "refused", prepare_refused, one_refused },
	{ "udp", prepare_udp, one_udp },
	{ "getppid", prepare_nothing, one_getppid },
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static uint64_t timeval_ns(struct timeval tv)
{
	return (uint64_t)tv.tv_sec * 1000000000U + (uint64_t)tv.tv_usec * 1000U;
}

static int misuse(void)
{
	fprintf(stderr, "usage: storm connect|serverfirst|reset|bindconnect|bind|refused|udp|getppid COUNT\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct rusage before, after;
	const struct mode *mode = NULL;
	uint64_t count, start, end;
	char *rest;

	if (argc != 3)
		return misuse();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(argv[1], modes[i].name))
			mode = &modes[i];
	errno = 0;
	count = strtoull(argv[2], &rest, 10);
	if (!mode || errno || *rest || argv[2][0] == '-' || !count)
		return misuse();

	mode->prepare();
	getrusage(RUSAGE_SELF, &before);
	start = now_ns();
	for (uint64_t i = 0; i < count; i++)
		mode->one(i);
	end = now_ns();
	getrusage(RUSAGE_SELF, &after);

	printf("{\"mode\":\"%s\",\"count\":%llu,\"ns_per_op\":%.1f,\"user_ns\":%llu,\"sys_ns\":%llu}\n",
	       mode->name, (unsigned long long)count, (double)(end - start) / (double)count,
	       (unsigned long long)(timeval_ns(after.ru_utime) - timeval_ns(before.ru_utime)),
	       (unsigned long long)(timeval_ns(after.ru_stime) - timeval_ns(before.ru_stime)));
	if (held >= 0)
		close_socket(held);
	return fflush(stdout) ? 1 : 0;
}
