/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace doctor: tries what this kernel and these privileges allow, and prints what the user does not see without
 * each missing part. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "probe/features.h"
#include "source/live.h"
#include "util/display_width.h"

struct doctor_config {
	int backend; /* enum backend, or -1 for the best */
	struct output_config output;
};

static void no_event(void *context, const void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
}

/* Prints a line. On a terminal it is wrapped between words, and its further lines begin at column `indent`. */
static void __attribute__((format(printf, 2, 3))) print_line(int indent, const char *format, ...)
{
	size_t columns = output_columns(), room = columns;
	char line[1536], *rest = line;
	va_list values;

	va_start(values, format);
	vsnprintf(line, sizeof(line), format, values);
	va_end(values);
	while (columns > (size_t)indent && display_width(rest, strlen(rest)) > room) {
		size_t taken = display_wrap(rest, strlen(rest), room);

		printf("%.*s\n%*s", (int)taken, rest, indent, "");
		rest += taken + strspn(rest + taken, " ");
		room = columns - (size_t)indent;
	}
	puts(rest);
}

static void print_feature(const char *name, bool works, const char *reason)
{
	print_line(28, "  %-20s %-4s %s", name, works ? "yes" : "no", reason);
}

static const struct probe_set *set_of(enum fact which, const struct kernel_fact *fact)
{
	return &hooks[which].sets[fact->backend][fact->set];
}

static void print_fact(enum fact which, const struct kernel_fact *fact)
{
	const struct hook *hook = &hooks[which];
	const char *without = hook->covered_by[fact->backend];
	char programs[PROBE_PROGRAMS_MAX * 64] = "";
	size_t length = 0;

	if (!fact->works) {
		print_line(31, "  %-16s %-11s without it: %s. %s", hook->name, "-", hook->loses, fact->reason);
		return;
	}
	for (int i = 0; i < PROBE_PROGRAMS_MAX && set_of(which, fact)->programs[i]; i++)
		length += (size_t)snprintf(programs + length, sizeof(programs) - length, " %s",
					   set_of(which, fact)->programs[i]);
	print_line(31, "  %-16s %-11s%s%s%s", hook->name, backend_name(fact->backend), programs, without ? " " : "",
		   without ? without : "");
	if (fact->reason[0])
		print_line(31, "  %-16s %-11s %s %s", "", "", fact->fell_back ? "not by" : "another set of programs:",
			   fact->reason);
	if (fact->backend == BACKEND_TRACEPOINT && hook->price)
		print_line(31, "  %-16s %-11s price: %s", "", "", hook->price);
	if (fact->backend == BACKEND_TRACEPOINT && hook->gap)
		print_line(31, "  %-16s %-11s not reported: %s", "", "", hook->gap);
}

static void print_facts(const struct kernel_fact *facts)
{
	printf("\nfacts, and the probes that report them\n");
	for (int i = 0; i < FACT_COUNT; i++)
		print_fact((enum fact)i, &facts[i]);
}

static bool is_there(const struct features *features, const char *backend)
{
	for (size_t i = 0; i < features->count; i++)
		if (strcmp(features->list[i].name, backend) == 0)
			return features->list[i].works;
	return true;
}

/* Lists every backend, selected or not; the reasons why the kernel refuses a backend are among the features. */
static void print_backends(const struct features *features, const struct kernel_fact *facts)
{
	bool there[BACKEND_COUNT];

	printf("\nwhat each backend finds here\n  %-16s", "");
	for (int i = 0; i < BACKEND_COUNT; i++) {
		there[i] = is_there(features, backend_name((enum backend)i));
		printf(" %-*s", i + 1 < BACKEND_COUNT ? 11 : 0, backend_name((enum backend)i));
	}
	putchar('\n');
	for (int i = 0; i < FACT_COUNT; i++) {
		printf("  %-16s", hooks[i].name);
		for (int j = 0; j < BACKEND_COUNT; j++)
			printf(" %-*s", j + 1 < BACKEND_COUNT ? 11 : 0,
			       there[j] && !facts[i].lacks[j][0] ? "yes" : "no");
		putchar('\n');
		for (int j = 0; j < BACKEND_COUNT; j++)
			if (there[j] && facts[i].lacks[j][0])
				print_line(19, "  %-16s %s: %s", "", backend_name((enum backend)j), facts[i].lacks[j]);
	}
}

static void print_count(const char *fields, const char *how)
{
	print_line(27, "  %-24s %s", fields, how);
}

/* See "How exact" in docs/json-schema.md. */
static void print_counts(const struct source *source)
{
	bool hooked = live_facts(source)[FACT_TIMEWAIT].works;
	const char *function = "exact, at the kernel's function";
	const char *kernel_counter = "the kernel's own counter, read once per interval";
	const char *counter = "at the kernel's function, or by its own counter where that has more";

	printf("\ncounts of ephemeral ports and TIME_WAIT, by their fields in churn\n");
	print_count("allocated, failed", "exact, at the call or the kernel's function");
	print_count("released", hooked ? function :
			    "sockets when they are closed; TIME_WAITs by counting those that remain, once per interval");
	print_count("entered", hooked ? counter : kernel_counter);
	print_count("reused, killed", hooked ? counter : kernel_counter);
	print_count("overflowed", hooked ? counter : kernel_counter);
	print_count("expired", hooked ? function : "entered less the others and live; exact over all intervals together");
	print_count("live", "the kernel's own count, read once per interval");
	print_count("timewait of a process", hooked ? function :
			    "exact, checked at the end of each connection that began after porttrace");
	print_count("in_use, pools", live_counts_ports(source) ?
			    "counted in the kernel's tables at the end of an interval" :
			    "not known: this kernel does not allow its tables to be walked");
	print_count("searches", live_facts(source)[FACT_SEARCH].works ? function : "not measured");
}

/* Each cause of a failed connection, and the facts without which it stays unknown. */
static void print_connect_causes(const struct kernel_fact *facts)
{
	static const struct {
		const char *cause;
		enum fact needs[2];
	} rows[] = {
		{"no-route", {FACT_CONNECT_RESULT, FACT_CONNECT_RESULT}},
		{"no-listener", {FACT_TCP_END, FACT_CLOSE}},
		{"no-listener (UDP)", {FACT_UDP_ERROR, FACT_CLOSE}},
		{"backlog-full", {FACT_TCP_END, FACT_CLOSE}},
		{"no-answer", {FACT_TCP_END, FACT_CLOSE}},
		{"reset-by-peer", {FACT_TCP_END, FACT_CLOSE}},
	};

	printf("\ncauses of failed connections\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const enum fact *needs = rows[i].needs;
		int missing = !facts[needs[0]].works ? 0 : !facts[needs[1]].works ? 1 : -1;

		if (missing < 0)
			printf("  %-18s known\n", rows[i].cause);
		else
			printf("  %-18s unknown: %s is missing\n", rows[i].cause, hooks[needs[missing]].name);
	}
}

static int examine(const struct doctor_config *config)
{
	static struct settings settings;
	struct kernel_options options = {
		.settings = &settings,
		.facts = (1U << FACT_COUNT) - 1,
		.backend = config->backend,
		.examine = true,
		.verbose = config->output.verbose,
	};
	char reason[256] = "";
	struct features features;
	struct source *source;
	char missing[FEATURES_PRIVILEGES_SIZE];
	bool complete;

	features_find(&features);
	printf("porttrace %s on Linux %s\n\n", PORTTRACE_VERSION, features.kernel);
	printf("what the kernel and these privileges allow\n");
	for (size_t i = 0; i < features.count; i++)
		print_feature(features.list[i].name, features.list[i].works, features.list[i].says);
	source = live_open(&options, no_event, NULL, reason, sizeof(reason));
	if (!source) {
		putchar('\n');
		print_line(0, "porttrace cannot run here: %s", reason);
		return EXIT_NOT_ALLOWED;
	}
	print_facts(live_facts(source));
	print_backends(&features, live_facts(source));
	complete = !features_missing_privileges(missing, sizeof(missing));
	for (int i = 0; i < FACT_COUNT; i++)
		complete &= !probe_unavailable(live_facts(source), (enum fact)i);
	print_connect_causes(live_facts(source));
	print_counts(source);
	printf("\nprobes: %s\n", live_probes(source));
	source->ops->close(source);
	printf("%s\n", complete ? "OK: everything that these probes can report is reported" :
				   "porttrace runs without what is marked as missing above");
	return EXIT_DONE;
}

static const struct option_row rows[] = {
	OPTION_TITLE("The run:"),
	OPTION_PROBES_ROW(struct doctor_config),
	OPTION_VERBOSE_ROW(struct doctor_config),
	{0},
};

static const struct option_table table = {
	.examples = {
		{"sudo porttrace doctor", "what works on this machine"},
		{"porttrace doctor", "what is missing without root"},
		{"sudo porttrace doctor --probes=kprobe", "what kprobes alone could report"},
	},
	.rows = rows,
	.doc = "Show what this kernel and these privileges allow, which probes porttrace would use, what is lost without "
	       "each missing probe, and what to do about it.",
};

int cmd_doctor(int argc, char **argv)
{
	struct doctor_config config = {.backend = -1};

	option_table_parse(&table, argc, argv, &config);
	if (!output_is_open())
		return EXIT_FAILED;
	return examine(&config);
}
