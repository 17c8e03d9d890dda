/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The filters of a replay against tests/live/filters.table, with which the live tests check the kernel's filters.
 * The table describes its format. Run from the top of the tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cmd/options.h"
#include "model/wire_filter.h"
#include "util/address.h"
#include "wire_make.h"

#define TABLE	  "tests/live/filters.table"
#define WORDS_MAX 64
#define LIST_MAX  64

struct actor {
	char name[32];
	struct wire_task task;
	uint32_t netns;
};

struct event {
	char name[32];
	struct wire_connect wire;
};

static struct actor processes[LIST_MAX];
static struct event events[LIST_MAX];
static size_t process_count, event_count, filter_count;

struct config {
	struct settings settings;
};

static const struct option_row rows[] = {
	OPTION_PORT_ROWS(struct config),
	OPTION_PROCESS_ROWS(struct config, 'p'),
	OPTION_USER_ROW(struct config, 0),
	{0},
};

static size_t split(char *line, char *words[WORDS_MAX])
{
	size_t count = 0;
	char *word;

	while ((word = strsep(&line, " \n"))) {
		if (*word && count < WORDS_MAX)
			words[count++] = word;
	}
	return count;
}

static struct actor *process_find(const char *name)
{
	for (size_t i = 0; i < process_count; i++) {
		if (strcmp(processes[i].name, name) == 0)
			return &processes[i];
	}
	fail_msg("no process '%s'", name);
	return NULL;
}

static void process_add(char *words[])
{
	struct actor *process = &processes[process_count++];

	snprintf(process->name, sizeof(process->name), "%s", words[1]);
	process->task = make_task(100 + (uint32_t)process_count, words[2]);
	process->task.uid = (uint32_t)atoi(words[3]);
	process->netns = strcmp(words[4], "own") == 0 ? 2000 + (uint32_t)process_count : 1000;
}

/* "127.0.0.1:80", "[::1]:80"; returns the port. */
static uint16_t end_parse(char *text, uint8_t address[16])
{
	char *port = strrchr(text, ':');
	unsigned int prefix;

	*port++ = '\0';
	if (*text == '[') {
		text++;
		text[strlen(text) - 1] = '\0';
	}
	assert_int_equal(address_parse(text, address, &prefix), 0);
	return (uint16_t)atoi(port);
}

static void event_add(char *words[])
{
	struct event *event = &events[event_count++];
	const struct actor *process = process_find(words[2]);
	struct wire_sock *sock = &event->wire.sock;

	snprintf(event->name, sizeof(event->name), "%s", words[1]);
	event->wire = make_connect(SECOND, event_count, process->task.pid);
	event->wire.task = process->task;
	sock->netns = process->netns;
	sock->protocol = strcmp(words[4], "udp") == 0 ? IPPROTO_UDP : IPPROTO_TCP;
	sock->family = *words[5] == '[' ? AF_INET6 : AF_INET;
	sock->local_port = end_parse(words[5], sock->local_addr);
	memset(sock->remote_addr, 0, sizeof(sock->remote_addr));
	sock->remote_port = 0;
	if (strcmp(words[6], "-") != 0)
		sock->remote_port = end_parse(words[6], sock->remote_addr);
}

/* Replaces {NAME} and {netns:NAME} by numbers. */
static void expand(const char *word, char *out, size_t size)
{
	size_t used = 0;

	for (; *word && used < size - 1; word++) {
		const char *end = *word == '{' ? strchr(word, '}') : NULL;
		char name[32];

		if (!end) {
			out[used++] = *word;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)(end - word - 1), word + 1);
		if (strncmp(name, "netns:", 6) == 0)
			used += (size_t)snprintf(out + used, size - used, "%u", process_find(name + 6)->netns);
		else
			used += (size_t)snprintf(out + used, size - used, "%u", process_find(name)->task.pid);
		word = end;
	}
	out[used] = '\0';
}

static void settings_parse(char *words[], size_t count, struct config *config)
{
	static const struct option_table table = {.rows = rows};
	static char expanded[WORDS_MAX][64];
	char *argv[WORDS_MAX + 1];

	for (size_t i = 0; i < count; i++) {
		expand(words[i], expanded[i], sizeof(expanded[i]));
		argv[i] = expanded[i];
	}
	argv[count] = NULL;
	*config = (struct config){0};
	option_table_parse(&table, (int)count, argv, config);
}

static bool is_expected(char *words[], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i], name) == 0 || strcmp(words[i], "*") == 0)
			return true;
	}
	return false;
}

static void filter_check(char *words[], size_t count, const char *line)
{
	static struct config config;
	size_t arrow;

	for (arrow = 1; arrow < count && strcmp(words[arrow], "=>") != 0; arrow++)
		;
	assert_true(arrow < count);
	settings_parse(words, arrow, &config); /* the word "filter" stands for the program's name */
	for (size_t i = 0; i < event_count; i++) {
		bool expected = is_expected(words + arrow + 1, count - arrow - 1, events[i].name);

		if (wire_filter(&config.settings, &events[i].wire.hdr) != expected)
			fail_msg("event %s is %s by: %s", events[i].name, expected ? "left out" : "shown", line);
	}
	filter_count++;
}

static void filters_agree_with_the_table(void **state)
{
	FILE *file = fopen(TABLE, "r");
	char line[512], copy[512];

	(void)state;
	if (!file)
		fail_msg("%s does not exist: run this from the top of the tree", TABLE);
	while (fgets(line, sizeof(line), file)) {
		char *words[WORDS_MAX];
		size_t count;

		memcpy(copy, line, sizeof(copy));
		count = split(line, words);
		if (!count || *words[0] == '#')
			continue;
		if (strcmp(words[0], "process") == 0)
			process_add(words);
		else if (strcmp(words[0], "event") == 0)
			event_add(words);
		else if (strcmp(words[0], "filter") == 0)
			filter_check(words, count, copy);
		else if (strcmp(words[0], "section") != 0)
			fail_msg("not a row of the table: %s", copy);
	}
	fclose(file);
	assert_true(event_count > 10 && filter_count > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_agree_with_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
