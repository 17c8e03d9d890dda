/* SPDX-License-Identifier: GPL-2.0-only */
/* Events for the tests of the renderers, and a renderer that writes to memory. */
#ifndef PORTTRACE_TESTS_RENDER_SAMPLE_H
#define PORTTRACE_TESTS_RENDER_SAMPLE_H

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "render/renderer.h"
#include "util/address.h"

/* 2025-11-21T12:01:02.123456789Z */
#define SAMPLE_WALL_NS 1763726462123456789LL
#define SAMPLE_BOOT_NS 5000000000ULL

/* What a renderer wrote: data, and messages on stderr. */
struct sample_output {
	const struct renderer *renderer;
	struct render *render;
	FILE *out, *err;
	char *text, *messages;
	size_t length, messages_length;
};

static inline struct render_options sample_options(void)
{
	return (struct render_options){
		.boot_to_wall_ns = SAMPLE_WALL_NS - (int64_t)SAMPLE_BOOT_NS,
		.start_boot_ns = SAMPLE_BOOT_NS,
	};
}

static inline void sample_open(struct sample_output *output, const struct renderer *renderer,
			       struct render_options options)
{
	memset(output, 0, sizeof(*output));
	output->renderer = renderer;
	output->out = options.out = open_memstream(&output->text, &output->length);
	output->err = options.err = open_memstream(&output->messages, &output->messages_length);
	output->render = renderer->open(&options);
	assert_non_null(output->render);
}

static inline void sample_flush(struct sample_output *output, uint64_t now_boot_ns)
{
	assert_int_equal(output->renderer->flush(output->render, now_boot_ns), 0);
	fflush(output->err);
}

static inline void sample_close(struct sample_output *output)
{
	output->renderer->close(output->render);
	fclose(output->out);
	fclose(output->err);
	free(output->text);
	free(output->messages);
}

static inline void sample_address(uint8_t address[16], const char *text)
{
	unsigned int prefix;

	assert_int_equal(address_parse(text, address, &prefix), 0);
}

static inline struct wire_sock sample_sock(uint8_t state, const char *local, uint16_t local_port)
{
	struct wire_sock sk = {
		.cookie = 0x1a2b, .netns = 4026531840, .uid = 33, .family = AF_INET,
		.protocol = IPPROTO_TCP, .local_port = local_port, .state = state,
	};

	sample_address(sk.local_addr, local);
	return sk;
}

static inline void sample_peer(struct wire_sock *sk, const char *remote, uint16_t remote_port)
{
	sample_address(sk->remote_addr, remote);
	sk->remote_port = remote_port;
}

static inline struct wire_task sample_task(uint32_t pid, const char *comm)
{
	struct wire_task task = { .pid = pid, .tid = pid + 1, .ppid = 1, .uid = 1000 };

	snprintf(task.comm, sizeof(task.comm), "%s", comm);
	return task;
}

#define SAMPLE_HDR(KIND, name) \
	{ .size = sizeof(struct wire_##name), .kind = WIRE_##KIND, .boot_ns = SAMPLE_BOOT_NS }

/* The report of an event that begins as wire_bind does. */
static inline struct report sample_report(const void *event)
{
	const struct wire_bind *bind = event;

	return (struct report){ .event = &bind->hdr, .sock = &bind->sock, .task = &bind->task };
}

#endif
