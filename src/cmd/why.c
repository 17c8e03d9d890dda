/* SPDX-License-Identifier: GPL-2.0-only */
/* porttrace why: predicts and explains a bind() of one port. The implementation is in why/. */
#include <stdio.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/privilege.h"
#include "cmd/why_options.h"
#include "source/source.h"
#include "why/connect.h"
#include "why/why.h"

static void fill_config(struct why_config *config, const struct why_options *options)
{
	const struct settings_numbers *netns = &options->netns;

	*config = (struct why_config){
		.netns = netns->values[0],
		.has_netns = netns->count > 0,
		.protocol = options->protocol,
		.family = options->family,
		.port = options->port,
		.flags = options->flags,
		.pid = options->pid,
		.uid = options->uid,
		.has_uid = options->has_uid,
		.verbose = options->output.verbose,
	};
	memcpy(config->address, options->address, sizeof(config->address));
	memcpy(config->device, options->device, sizeof(config->device));
}

static int print(struct why_question *question, const struct why_answer *found, const struct output_config *options)
{
	struct render_options render;

	options_for_render(options, &render);
	return why_report_print(question, found, render_find(options->json ? "json" : "text"), &render);
}

/* Prints why there is no answer, and returns the exit status for that. */
static int failed(const struct output_config *options, enum why_status status, const char *reason)
{
	if (status == WHY_NOT_ALLOWED)
		privilege_print_refused(options->argv, reason);
	else
		fprintf(stderr, "porttrace: %s\n", reason);
	switch (status) {
	case WHY_MISUSED:
		return EXIT_MISUSED;
	case WHY_NOT_ALLOWED:
		return EXIT_NOT_ALLOWED;
	case WHY_ANSWERED:
	case WHY_FAILED:
		break;
	}
	return EXIT_FAILED;
}

static int answer(struct why_question *question, const struct why_options *options)
{
	struct why_answer found = {0};
	enum why_status status = why_question_answer(question, &found);
	char limits[SOURCE_LIMITS_SIZE];
	int err = 0;

	if (status != WHY_ANSWERED)
		return failed(&options->output, status, why_question_reason(question));
	if (!options->output.quiet) {
		why_question_limits(question, limits);
		privilege_print_limits(options->output.argv, limits);
		err = print(question, &found, &options->output);
	}
	if (err)
		return output_failed(err);
	return (options->no_reuseaddr ? found.error : found.error_with_reuseaddr) ? EXIT_FAILED : EXIT_DONE;
}

static int answer_connect(const struct why_config *config, const struct output_config *options)
{
	const struct renderer *renderer = options->quiet ? NULL : render_find(options->json ? "json" : "text");
	struct render_options render;
	enum why_status status;
	char reason[256], limits[SOURCE_LIMITS_SIZE];
	uint32_t error = 0;
	int output_err;

	options_for_render(options, &render);
	status = why_connect(config, renderer, &render, &error, &output_err, limits, reason, sizeof(reason));
	if (status != WHY_ANSWERED)
		return failed(options, status, reason);
	if (!options->quiet)
		privilege_print_limits(options->argv, limits);
	if (output_err)
		return output_failed(output_err);
	return error ? EXIT_FAILED : EXIT_DONE;
}

int cmd_why(int argc, char **argv)
{
	struct why_question *question;
	struct why_options options;
	struct why_config config;
	int status = EXIT_FAILED;

	why_options_parse(&options, argc, argv);
	options.output.argv = argv;
	if (!options.output.quiet && !output_is_open())
		return EXIT_FAILED;
	fill_config(&config, &options);
	if (options.connect)
		return answer_connect(&config, &options.output);
	question = why_question_new(&config);
	if (question)
		status = answer(question, &options);
	else
		fprintf(stderr, "porttrace: out of memory\n");
	why_question_free(question);
	return status;
}
