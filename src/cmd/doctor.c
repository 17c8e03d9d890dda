/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace doctor: what this kernel and these privileges allow, found by trying, and what each missing
 * thing costs. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/output.h"
#include "source/features.h"
#include "source/live.h"

static void no_event(void *context, const void *data, size_t size)
{
	(void)context;
	(void)data;
	(void)size;
}

static void print_feature(const char *name, bool works, const char *reason)
{
	printf("  %-16s %-4s %s\n", name, works ? "yes" : "no", reason);
}

static void print_facts(const struct kernel_fact *facts)
{
	printf("\nfacts, and the probes that report them\n");
	for (int i = 0; i < FACT_COUNT; i++) {
		if (!facts[i].works) {
			printf("  %-16s %-11s without it: %s. %s\n", hooks[i].name, "-", hooks[i].loses,
			       facts[i].reason);
			continue;
		}
		printf("  %-16s %-11s", hooks[i].name, backend_name(facts[i].backend));
		for (int j = 0; j < HOOK_PROGRAMS_MAX; j++) {
			const char *program = hooks[i].programs[facts[i].backend][j];

			if (program)
				printf(" %s", program);
		}
		printf("\n  %-16s %-11s price: %s\n", "", "", hooks[i].price);
	}
}

static int examine(bool verbose)
{
	static struct settings settings;
	struct kernel_options options = {
		.settings = &settings,
		.facts = (1U << FACT_COUNT) - 1,
		.backend = -1,
		.verbose = verbose,
	};
	char reason[256] = "";
	struct features features;
	struct source *source;
	bool complete = true;

	features_find(&features);
	printf("porttrace %s on Linux %s\n\n", PORTTRACE_VERSION, features.kernel);
	printf("what the kernel and these privileges allow\n");
	for (size_t i = 0; i < features.count; i++)
		print_feature(features.list[i].name, features.list[i].works, features.list[i].says);
	source = live_open(&options, no_event, NULL, reason, sizeof(reason));
	if (!source) {
		printf("\nporttrace cannot run here: %s\n", reason);
		return EXIT_NOT_ALLOWED;
	}
	print_facts(live_facts(source));
	for (int i = 0; i < FACT_COUNT; i++)
		complete &= live_facts(source)[i].works;
	source->ops->close(source);
	printf("\nnot shown by this backend: TIME_WAIT's end and reuse as events (counts are the kernel's "
	       "own), the time spent in a port search\n");
	printf("%s\n", complete ? "everything that this backend can show is shown" :
				   "porttrace runs, with what is missing above");
	return EXIT_DONE;
}

static error_t parse_key(int key, char *arg, struct argp_state *state)
{
	bool *verbose = state->input;

	(void)arg;
	switch (key) {
	case 'v':
		*verbose = true;
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case 'V':
		printf("porttrace %s\n", PORTTRACE_VERSION);
		exit(EXIT_DONE);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_doctor(int argc, char **argv)
{
	static const struct argp_option rows[] = {
		{"verbose", 'v', NULL, 0, "libbpf's own words too", 0},
		{"version", 'V', NULL, 0, "print the version", -1},
		{"help", 'h', NULL, 0, "print this help", -1},
		{0},
	};
	static const struct argp argp = {
		.options = rows,
		.parser = parse_key,
		.doc = "Say what this kernel and these privileges allow, which probes would be used, what each "
		       "missing one costs, and what to do about it.",
	};
	bool verbose = false;

	argp_err_exit_status = EXIT_MISUSED;
	argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, &verbose);
	if (!output_is_open())
		return EXIT_FAILED;
	return examine(verbose);
}
