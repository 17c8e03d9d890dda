/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A scene is the input of diagnose(); a scene_case is a scene with the expected cause and sentences. The test files
 * contain the cases; here are the helpers that build and check them.
 */
#ifndef PORTTRACE_TESTS_SCENE_H
#define PORTTRACE_TESTS_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "claim_make.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW (1000 * SECOND)

struct scene {
	struct claim claim;
	struct holder holders[4];
	size_t holder_count;
	bool unseen; /* the holders were not looked up */
	struct pool pool;
	struct netns_entry netns;
	bool netns_known;
};

static inline struct holder *add(struct scene *scene, uint16_t protocol, const char *addr,
				 uint32_t flags, enum wire_state state)
{
	struct holder *holder = &scene->holders[scene->holder_count++];

	*holder = make_holder(protocol, addr, flags, state);
	holder->sock.cookie += scene->holder_count;
	return holder;
}

static inline struct holder *tcp(struct scene *scene, uint32_t caller, uint32_t holder_flags,
				 enum wire_state state)
{
	scene->claim = make_claim(IPPROTO_TCP, "0.0.0.0", caller);
	return add(scene, IPPROTO_TCP, "0.0.0.0", holder_flags, state);
}

static inline struct holder *udp(struct scene *scene, uint32_t caller, uint32_t holder_flags,
				 enum wire_state state)
{
	scene->claim = make_claim(IPPROTO_UDP, "0.0.0.0", caller);
	return add(scene, IPPROTO_UDP, "0.0.0.0", holder_flags, state);
}

/* A connection of nginx[812] with 10.0.0.5:41000. */
static inline struct holder *connection(struct scene *scene, uint32_t caller, uint32_t holder_flags,
					enum wire_state state)
{
	struct holder *holder = tcp(scene, caller, holder_flags, state);

	set_local(&holder->sock, "10.0.0.1");
	set_remote(&holder->sock, "10.0.0.5", 41000);
	return holder;
}

static inline struct holder *closed(struct scene *scene, uint32_t caller, uint32_t holder_flags,
				    uint32_t substate)
{
	struct holder *holder = connection(scene, caller, holder_flags, WIRE_TCP_TIME_WAIT);

	holder->pid_count = 0;
	holder->expires_ms = 41500;
	holder->substate = substate;
	return holder;
}

static inline void refused(struct scene *scene, enum claim_call call, uint32_t error,
			   const char *addr)
{
	scene->claim = make_claim(IPPROTO_TCP, addr, 0);
	scene->claim.call = call;
	scene->claim.error = error;
}

static inline void automatic(struct scene *scene, enum claim_call call, uint32_t error)
{
	refused(scene, call, error, "0.0.0.0");
	scene->claim.sock.local_port = scene->claim.requested_port = 0;
	set_remote(&scene->claim.sock, "10.0.0.5", 443);
	scene->pool = (struct pool){.low = 32768, .high = 60999, .size = 28232};
	scene->pool.top = make_task(4242, "curl");
}

/* why, fix: texts that must occur. PRINT_SENTENCES=1 in the environment prints the whole sentences. */
struct scene_case {
	void (*setup)(struct scene *scene);
	const char *cause, *why, *fix;
};

static inline void add_process(struct model *model, uint32_t pid, const char *exe,
				const char *cgroup)
{
	struct wire_process event = make_process(1, pid, cgroup);

	snprintf(event.exe, sizeof(event.exe), "%s", exe);
	assert_int_equal(model_apply(model, &event.hdr), 0);
}

static inline struct model *make_model(void)
{
	struct wire_interface device = {.hdr = MAKE_HDR(INTERFACE, interface, 1),
					.netns = NETNS,
					.ifindex = 7,
					.name = "eth7"};
	struct model *model = model_new(&(struct model_limits){0});

	assert_non_null(model);
	add_process(model, 812, "/usr/sbin/nginx", "/system.slice/nginx.service");
	add_process(model, 977, "/usr/bin/node", "/user.slice/node.scope");
	add_process(model, 1, "/usr/lib/systemd/systemd", "/init.scope");
	add_process(model, 600, "/usr/bin/python3", "/user.slice/user-1000.slice/session-3.scope");
	add_process(model, 500, "/usr/bin/redis",
		     "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	assert_int_equal(model_apply(model, &device.hdr), 0);
	return model;
}

static inline void scene_init(struct scene *scene, const struct scene_case *scene_case)
{
	*scene = (struct scene){
		.netns.now = {.range_low = 32768, .range_high = 60999, .unprivileged_start = 1024}};
	scene_case->setup(scene);
}

static inline void scene_diagnose(struct scene *scene, struct model *model,
				  struct conflict *conflict)
{
	struct failure failure = {.holders = scene->holders, .holder_count = scene->holder_count};

	diagnose(&scene->claim, scene->unseen ? NULL : &failure, &scene->pool,
		 scene->netns_known ? &scene->netns : NULL, model, NOW, conflict);
}

static inline void expect_text(const char *where, const char *text, const char *expected)
{
	size_t length = strlen(text);

	if (!strstr(text, expected))
		fail_msg("%s: \"%s\" lacks \"%s\"", where, text, expected);
	assert_true(length > 0);
}

/* A fix may end in a command, which is not a sentence. */
static inline void expect_sentence(const char *where, const char *text, const char *expected)
{
	expect_text(where, text, expected);
	assert_int_equal(text[strlen(text) - 1], '.');
}

static inline void check_cases(const struct scene_case *cases, size_t count)
{
	struct model *model = make_model();
	static struct scene scene;
	struct conflict conflict;

	for (size_t i = 0; i < count; i++) {
		scene_init(&scene, &cases[i]);
		scene_diagnose(&scene, model, &conflict);
		assert_string_equal(conflict.cause, cases[i].cause);
		expect_sentence(cases[i].cause, conflict.why, cases[i].why);
		if (getenv("PRINT_FIXES")) {
			print_message("CASE\t%s\t%zu\t%s\t%s\n", cases[i].cause, i, cases[i].fix, conflict.fix);
			continue;
		}
		expect_text(cases[i].cause, conflict.fix, cases[i].fix);
		assert_non_null(diagnose_meaning(conflict.cause));
		if (getenv("PRINT_SENTENCES"))
			print_message("%s\n    %s\n    %s\n", conflict.cause, conflict.why,
				      conflict.fix);
	}
	model_free(model);
}

/* diagnose() must find a cause and write sentences even without model, counts, settings and processes. */
static inline void check_cases_without_knowledge(const struct scene_case *cases, size_t count)
{
	static struct scene scene;
	struct conflict conflict;

	for (size_t i = 0; i < count; i++) {
		scene_init(&scene, &cases[i]);
		scene.claim.task = (struct wire_task){0};
		for (size_t j = 0; j < scene.holder_count; j++) {
			scene.holders[j].pid_count = 0;
			scene.holders[j].owner = (struct wire_task){0};
		}
		diagnose(&scene.claim, NULL, NULL, NULL, NULL, NOW, &conflict);
		assert_true(conflict.cause && conflict.why[0] && conflict.fix[0]);
		scene_diagnose(&scene, NULL, &conflict);
		assert_true(conflict.cause && conflict.why[0] && conflict.fix[0]);
		assert_null(strstr(conflict.why, "[0]"));
	}
}

#endif
