/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages of sock_diag, well-formed, short and with wrong lengths, become sockets or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>

#include "system/inet_sockets.h"

#define NETNS 4026531840U

static const struct inet_sockets_query query = {.netns = NETNS, .protocol = IPPROTO_TCP, .states = INET_SOCKETS_ALL};

struct message {
	struct nlmsghdr header;
	struct inet_diag_msg socket;
	char attributes[64];
};

/* A listener on 127.0.0.1:80 without attributes. */
static struct message listener(void)
{
	return (struct message){
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct inet_diag_msg)), .nlmsg_type = SOCK_DIAG_BY_FAMILY},
		.socket = {
			.idiag_family = AF_INET,
			.idiag_state = WIRE_TCP_LISTEN,
			.id = {.idiag_sport = htons(80), .idiag_src = {htonl(INADDR_LOOPBACK)}, .idiag_if = 2,
			       .idiag_cookie = {7, 1}},
			.idiag_rqueue = 3,
			.idiag_wqueue = 511,
			.idiag_uid = 33,
			.idiag_inode = 12345,
		},
	};
}

/* length: of the payload as the attribute says it, whatever `size` bytes follow. */
static void add_attribute(struct message *message, uint16_t type, const void *value, size_t size, size_t length)
{
	size_t at = message->header.nlmsg_len;
	struct rtattr attribute = {.rta_len = (unsigned short)RTA_LENGTH(length), .rta_type = type};

	memcpy((char *)message + at, &attribute, sizeof(attribute));
	memcpy((char *)message + at + RTA_LENGTH(0), value, size);
	message->header.nlmsg_len += (uint32_t)RTA_SPACE(size);
	assert_true(message->header.nlmsg_len <= sizeof(*message));
}

static struct wire_socket parsed(const struct message *message)
{
	struct wire_socket socket;

	assert_true(inet_sockets_parse(&message->header, &query, &socket));
	return socket;
}

static bool is_refused(const struct message *message)
{
	struct wire_socket socket;

	return !inet_sockets_parse(&message->header, &query, &socket);
}

static void a_listener_has_all_fields(void **state)
{
	static const uint8_t loopback[16] = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}, none[16] = {[10] = 0xff, [11] = 0xff};
	struct message message = listener();
	struct wire_socket socket = parsed(&message);

	(void)state;
	assert_int_equal(socket.hdr.kind, WIRE_SOCKET);
	assert_int_equal(socket.hdr.size, sizeof(socket));
	assert_int_equal(socket.fd, -1);
	assert_int_equal(socket.inode, 12345);
	assert_int_equal(socket.queue, 3);
	assert_int_equal(socket.backlog, 511);
	assert_int_equal(socket.sock.cookie, 7 | 1ULL << 32);
	assert_int_equal(socket.sock.netns, NETNS);
	assert_int_equal(socket.sock.uid, 33);
	assert_int_equal(socket.sock.ifindex, 2);
	assert_int_equal(socket.sock.family, AF_INET);
	assert_int_equal(socket.sock.protocol, IPPROTO_TCP);
	assert_int_equal(socket.sock.state, WIRE_TCP_LISTEN);
	assert_int_equal(socket.sock.local_port, 80);
	assert_memory_equal(socket.sock.local_addr, loopback, 16);
	assert_memory_equal(socket.sock.remote_addr, none, 16);
	assert_int_equal(socket.sock.flags, 0);
	assert_int_equal(socket.sock.unknown, WIRE_UNKNOWN_REUSE | WIRE_UNKNOWN_ORIGIN | WIRE_UNKNOWN_PROCESS);
}

static void an_ipv6_connection_has_both_ends(void **state)
{
	struct message message = listener();
	struct wire_socket socket;

	(void)state;
	message.socket.idiag_family = AF_INET6;
	message.socket.idiag_state = WIRE_TCP_ESTABLISHED;
	message.socket.id.idiag_dport = htons(443);
	memset(message.socket.id.idiag_src, 0x20, 16);
	memset(message.socket.id.idiag_dst, 0x30, 16);
	socket = parsed(&message);
	assert_memory_equal(socket.sock.local_addr, message.socket.id.idiag_src, 16);
	assert_memory_equal(socket.sock.remote_addr, message.socket.id.idiag_dst, 16);
	assert_int_equal(socket.sock.remote_port, 443);
	/* Bytes that wait, not connections. */
	assert_int_equal(socket.queue, 0);
	assert_int_equal(socket.backlog, 0);
}

/* The state, timer and inode number that the kernel reports, and what they mean. */
static void states_are_those_of_the_iterators(void **unused)
{
	static const struct {
		uint8_t state, timer;
		uint32_t inode;
		uint8_t wire_state, substate;
		uint32_t flags;
		bool knows_process;
	} rows[] = {
		{6, 3, 0, WIRE_TCP_TIME_WAIT, WIRE_TCP_TIME_WAIT, 0, true},
		{5, 3, 0, WIRE_TCP_TIME_WAIT, WIRE_TCP_FIN_WAIT2, 0, true},
		{5, 0, 0, WIRE_TCP_FIN_WAIT2, 0, WIRE_ORPHAN, true},
		{5, 0, 9, WIRE_TCP_FIN_WAIT2, 0, 0, false},
		{9, 1, 0, WIRE_TCP_LAST_ACK, 0, WIRE_ORPHAN, true},
		{1, 0, 0, WIRE_TCP_ESTABLISHED, 0, 0, true}, /* waits for accept() */
		{1, 0, 9, WIRE_TCP_ESTABLISHED, 0, 0, false},
		{3, 1, 0, WIRE_TCP_NEW_SYN_RECV, 0, 0, true},
		{3, 1, 9, WIRE_TCP_SYN_RECV, 0, 0, false},
		{13, 0, 9, WIRE_TCP_CLOSE, 0, 0, false},
		{7, 0, 9, WIRE_TCP_CLOSE, 0, 0, false},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct message message = listener();
		struct wire_socket socket;

		message.socket.idiag_state = rows[i].state;
		message.socket.idiag_timer = rows[i].timer;
		message.socket.idiag_inode = rows[i].inode;
		message.socket.idiag_expires = 41000;
		socket = parsed(&message);
		assert_int_equal(socket.sock.state, rows[i].wire_state);
		assert_int_equal(socket.substate, rows[i].substate);
		assert_int_equal(socket.sock.flags, rows[i].flags);
		assert_int_equal(!(socket.sock.unknown & WIRE_UNKNOWN_PROCESS), rows[i].knows_process);
		assert_int_equal(socket.expires_ms, rows[i].wire_state == WIRE_TCP_TIME_WAIT ? 41000 + 5120 : 0);
	}
}

static void attributes_are_options(void **state)
{
	const struct inet_diag_sockopt options = {.freebind = 1, .transparent = 1, .bind_address_no_port = 1};
	struct message message = listener();
	const uint8_t on = 1;

	(void)state;
	message.socket.idiag_family = AF_INET6;
	add_attribute(&message, INET_DIAG_SHUTDOWN, &on, 1, 1);
	add_attribute(&message, INET_DIAG_SKV6ONLY, &on, 1, 1);
	assert_int_equal(parsed(&message).sock.flags, WIRE_V6ONLY);
	add_attribute(&message, INET_DIAG_SOCKOPT, &options, sizeof(options), sizeof(options));
	assert_int_equal(parsed(&message).sock.flags,
			 WIRE_V6ONLY | WIRE_FREEBIND | WIRE_TRANSPARENT | WIRE_BIND_ADDRESS_NO_PORT);
}

/* An attribute that is too short, or ends behind the message, changes nothing; those before it count. */
static void attributes_of_a_wrong_length(void **state)
{
	const struct inet_diag_sockopt options = {.freebind = 1, .bind_address_no_port = 1};
	struct message message = listener();
	const uint8_t on[8] = {1};

	(void)state;
	add_attribute(&message, INET_DIAG_SKV6ONLY, on, 0, 0);
	assert_int_equal(parsed(&message).sock.flags, 0);
	/* The first byte only: freebind. */
	add_attribute(&message, INET_DIAG_SOCKOPT, &options, 1, 1);
	assert_int_equal(parsed(&message).sock.flags, WIRE_FREEBIND);
	add_attribute(&message, INET_DIAG_SKV6ONLY, on, 1, 60);
	assert_int_equal(parsed(&message).sock.flags, WIRE_FREEBIND);

	message = listener();
	add_attribute(&message, INET_DIAG_SKV6ONLY, on, 4, 4);
	((struct rtattr *)message.attributes)->rta_len = 2; /* shorter than itself */
	assert_int_equal(parsed(&message).sock.flags, 0);
}

/* Cut at every length, in a buffer of exactly that size: the sanitizers see a read beyond it. */
static void a_cut_message_is_read_to_its_end_only(void **state)
{
	const uint8_t on = 1;
	struct message message = listener();
	uint32_t full;

	(void)state;
	message.socket.idiag_family = AF_INET6;
	add_attribute(&message, INET_DIAG_SKV6ONLY, &on, 1, 1);
	full = message.header.nlmsg_len;
	for (uint32_t length = NLMSG_LENGTH(0); length <= full; length++) {
		struct nlmsghdr *cut = malloc(length);
		struct wire_socket socket;
		bool is_socket;

		memcpy(cut, &message, length);
		cut->nlmsg_len = length;
		is_socket = inet_sockets_parse(cut, &query, &socket);
		assert_int_equal(is_socket, length >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)));
		if (is_socket && length < full - 3)
			assert_int_equal(socket.sock.flags, 0);
		free(cut);
	}
}

static void other_messages_are_no_sockets(void **state)
{
	struct message message = listener();

	(void)state;
	message.header.nlmsg_type = RTM_NEWLINK;
	assert_true(is_refused(&message));
	message = listener();
	message.socket.id.idiag_sport = 0;
	assert_true(is_refused(&message));
	message = listener();
	message.socket.idiag_family = AF_UNIX;
	assert_true(is_refused(&message));
	message = listener();
	message.socket.idiag_state = 14;
	assert_true(is_refused(&message));
	message.socket.idiag_state = 0;
	assert_true(is_refused(&message));
	message = listener();
	message.socket.idiag_timer = 3;
	message.socket.idiag_state = 200;
	assert_true(is_refused(&message));
}

static void only_the_port_of_the_query(void **state)
{
	struct inet_sockets_query other = query;
	struct message message = listener();
	struct wire_socket socket;

	(void)state;
	other.port = 80;
	assert_true(inet_sockets_parse(&message.header, &other, &socket));
	other.port = 81;
	assert_false(inet_sockets_parse(&message.header, &other, &socket));
}

static void socket_found(void *context, const struct wire_socket *socket)
{
	uint16_t *wanted = context;

	if (socket->sock.local_port == *wanted && socket->sock.state == WIRE_TCP_CLOSE)
		*wanted = 0;
}

/* The kernel of this machine: a UDP socket is found by its port. */
static void a_socket_of_this_process_is_listed(void **state)
{
	struct inet_sockets_query udp = {.protocol = IPPROTO_UDP, .states = INET_SOCKETS_ALL};
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	udp.port = ntohs(address.sin_port);
	err = inet_sockets_list(&udp, socket_found, &udp.port);
	if (err == -ENOENT || err == -EPROTONOSUPPORT) { /* qemu-user has no sock_diag */
		print_message("skipped: no sock_diag here (%s)\n", strerror(-err));
		close(fd);
		skip();
	}
	assert_int_equal(err, 0);
	assert_int_equal(udp.port, 0);
	/* No kernel lists sockets of IGMP. */
	udp.protocol = IPPROTO_IGMP;
	assert_int_equal(inet_sockets_list(&udp, socket_found, &udp.port), -ENOENT);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_has_all_fields),
		cmocka_unit_test(an_ipv6_connection_has_both_ends),
		cmocka_unit_test(states_are_those_of_the_iterators),
		cmocka_unit_test(attributes_are_options),
		cmocka_unit_test(attributes_of_a_wrong_length),
		cmocka_unit_test(a_cut_message_is_read_to_its_end_only),
		cmocka_unit_test(other_messages_are_no_sockets),
		cmocka_unit_test(only_the_port_of_the_query),
		cmocka_unit_test(a_socket_of_this_process_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
