/* SPDX-License-Identifier: GPL-2.0-only */
/* Tries the rows one by one, each in a new copy of the situation, and keeps those after which the call succeeds. */
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diagnose/remedy.h"
#include "diagnose/remedy_rows.h"
#include "diagnose/rules.h"
#include "util/escape.h"

void remedy_text(struct remedy *out, const char *format, ...)
{
	size_t length = strlen(out->text);
	va_list args;

	va_start(args, format);
	vsnprintf(out->text + length, sizeof(out->text) - length, format, args);
	va_end(args);
	for (length = strlen(out->text); length && !escape_is_utf8(out->text, length);)
		out->text[--length] = '\0';
}

void remedy_command(const struct attempt *try, struct remedy *out, const struct command *command)
{
	if (try->f->enter)
		snprintf(out->command, sizeof(out->command), "%s", command_text(command));
}

void remedy_sysctl(const struct attempt *try, struct remedy *out, const char *name, const char *value)
{
	bool is_stopping = stop_plan_has_any(&try->plan);
	struct command command = {0};

	snprintf(out->option, sizeof(out->option), "%s", name);
	snprintf(out->value, sizeof(out->value), "%s", value);
	command_append(&command, "%ssysctl -w %s=", is_stopping ? "" : try->enter, name);
	command_append_word(&command, value);
	if (is_stopping)
		remedy_stop_first(try, out, &command);
	else
		remedy_command(try, out, &command);
}

void remedy_stop_first(const struct attempt *try, struct remedy *out, const struct command *then)
{
	struct command both = {0}, entered = {0};

	stop_plan_command(&try->plan, try->f->claim->sock.local_port, &both);
	command_append(&both, "; %s", command_text(then));
	both.is_cut |= then->is_cut;
	if (!try->enter[0]) {
		remedy_command(try, out, &both);
		return;
	}
	command_append(&entered, "%ssh -c ", try->enter);
	command_append_word(&entered, command_text(&both));
	entered.is_cut |= both.is_cut;
	remedy_command(try, out, &entered);
}

struct phrase ss_address(const struct wire_sock *sock, const uint8_t addr[16], uint16_t port)
{
	struct phrase end = endpoint(addr, port), mapped;

	/* ss takes an IPv4 address of an IPv6 socket in its mapped form. */
	if (sock->family == AF_INET6 && sock_is_mapped(sock)) {
		char *colon = strrchr(end.s, ':');

		*colon = '\0';
		snprintf(mapped.s, sizeof(mapped.s), "[::ffff:%.40s]:%u", end.s, port);
		return mapped;
	}
	return end;
}

unsigned int ss_state(const struct holder *holder)
{
	return holder->sock.state == WIRE_TCP_TIME_WAIT && holder->substate ? holder->substate : holder->sock.state;
}

const char *ss_state_name(unsigned int state)
{
	static const char *const names[] = {
		[WIRE_TCP_ESTABLISHED] = "established", [WIRE_TCP_SYN_SENT] = "syn-sent",
		[WIRE_TCP_SYN_RECV] = "syn-recv",	[WIRE_TCP_FIN_WAIT1] = "fin-wait-1",
		[WIRE_TCP_FIN_WAIT2] = "fin-wait-2",	[WIRE_TCP_TIME_WAIT] = "time-wait",
		[WIRE_TCP_CLOSE_WAIT] = "close-wait",	[WIRE_TCP_LAST_ACK] = "last-ack",
		[WIRE_TCP_CLOSING] = "closing",
	};

	return state < sizeof(names) / sizeof(names[0]) && names[state] ? names[state] : "connected";
}

/* Called once for a refusal. Does not clear the large arrays: their counts say which elements are valid. */
static void attempt_init(struct attempt *try, const struct finding *f)
{
	try->f = f;
	try->enter = f->enter ? f->enter : "";
	situation_init(&try->before, f->claim, f->failure);
	/* Before 6.17 an orphan counts as uid 0. The call failed, so use the rule that explains the failure. */
	if (f->error == EADDRINUSE && !situation_verdict(&try->before, f->netns))
		try->before.claim.orphan_is_root = !try->before.claim.orphan_is_root;
	try->pool = f->pool ? *f->pool : (struct pool){0};
}

/* Called before each row: restores the actual situation. */
static void attempt_reset(struct attempt *try, uint32_t option)
{
	situation_copy(&try->situation, &try->before);
	try->netns = NULL;
	if (try->f->netns) {
		try->settings.now = try->f->netns->now;
		try->netns = &try->settings;
	}
	stop_plan_init(&try->plan);
	try->destroyed_count = 0;
	try->option = option;
	try->in_both = false;
	try->after_s = 0;
}

static void try_rows(const struct finding *f, const struct remedy_row *rows, size_t count, struct conflict *conflict)
{
	struct attempt *try = malloc(sizeof(*try));

	if (try)
		attempt_init(try, f);
	for (size_t i = 0; try && i < count && conflict->remedy_count < CONFLICT_REMEDIES_MAX; i++) {
		struct remedy *out = &conflict->remedies[conflict->remedy_count];

		attempt_reset(try, rows[i].option);
		if (!rows[i].change(try) || situation_verdict(&try->situation, try->netns))
			continue;
		*out = (struct remedy){.action = rows[i].action, .effect = rows[i].effect};
		rows[i].write(try, out);
		conflict->remedy_count++;
	}
	free(try);
}

static bool is_about_port(const struct finding *f)
{
	return f->claim->sock.local_port && f->holder_count && f->error != EACCES && f->error != EINVAL;
}

void remedy_find(const struct finding *f, enum cause cause, struct conflict *conflict)
{
	conflict->remedy_count = 0;
	if (cause == CAUSE_NONE)
		return;
	if (is_about_port(f))
		try_rows(f, holder_remedies, holder_remedy_count, conflict);
	else if (cause >= CAUSE_RANGE_EXHAUSTED && cause <= CAUSE_RANGE_RESERVED)
		try_rows(f, range_remedies, range_remedy_count, conflict);
	else if (cause >= CAUSE_NO_LISTENER && cause <= CAUSE_RESET_BY_PEER)
		try_rows(f, connect_remedies, connect_remedy_count, conflict);
	else
		try_rows(f, call_remedies, call_remedy_count, conflict);
}

const char *remedy_action_name(enum remedy_action action)
{
	switch (action) {
	case REMEDY_STOP_PROCESS:
		return "stop_process";
	case REMEDY_STOP_UNIT:
		return "stop_unit";
	case REMEDY_STOP_CONTAINER:
		return "stop_container";
	case REMEDY_DESTROY_SOCKET:
		return "destroy_socket";
	case REMEDY_SET_CALLER_OPTION:
		return "set_caller_option";
	case REMEDY_SET_HOLDER_OPTION:
		return "set_holder_option";
	case REMEDY_OTHER_PORT:
		return "other_port";
	case REMEDY_OTHER_ADDRESS:
		return "other_address";
	case REMEDY_SYSCTL:
		return "sysctl";
	case REMEDY_GRANT_CAPABILITY:
		return "grant_capability";
	case REMEDY_RESERVE_PORT:
		return "reserve_port";
	case REMEDY_USE_INHERITED_FD:
		return "use_inherited_fd";
	case REMEDY_FIX_ADDRESS:
		return "fix_address";
	case REMEDY_START_PROCESS:
		return "start_process";
	case REMEDY_WAIT:
		return "wait";
	}
	return NULL;
}

const char *remedy_effect_name(enum remedy_effect effect)
{
	switch (effect) {
	case REMEDY_NOW:
		return "now";
	case REMEDY_AFTER:
		return "after";
	case REMEDY_RESTART:
		return "restart";
	case REMEDY_PREVENTS:
		return "prevents";
	}
	return NULL;
}
