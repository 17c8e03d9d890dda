/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * argp parses and formats --help. Options are checked before, because argp accepts abbreviated options, and its
 * messages refer to an option --usage, which porttrace does not have.
 */
#include "cmd/option_table.h"

#include <argp.h>
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/command.h"
#include "cmd/target.h"
#include "util/escape.h"
#include "util/nearest.h"

#define ROWS_MAX 48
/* The key of an option for argp: its letter, else this plus the number of its row. */
#define KEY_FIRST 256

static const struct option_row standard_rows[] = {
	{.name = "version", .letter = 'V', .help = "print the version"},
	{.name = "help", .letter = 'h', .help = "print this help"},
	{0},
};

struct parser {
	const struct option_table *table;
	struct option_context context;
	struct target first[2];
	bool has_first[2];
	void *config;
};

void option_misuse(const struct option_context *context, const char *format, ...)
{
	char message[512], escaped[ESCAPE_TERMINAL_SIZE(sizeof(message))];
	va_list values;

	va_start(values, format);
	vsnprintf(message, sizeof(message), format, values);
	va_end(values);
	escape_terminal(escaped, sizeof(escaped), message, strlen(message));
	fprintf(stderr, "%s: %s%s%s%s (see '%s --help')\n", context->program, context->row ? "--" : "",
		context->row ? context->row->name : "", context->row ? ": " : "", escaped, context->program);
	exit(EXIT_MISUSED);
}

static bool is_last(const struct option_row *row)
{
	return !row->name && !row->help;
}

/* ---- before argp: every option must be one of the table's -------------------------------------- */

static const struct option_row *find_name(const struct option_row *rows, const char *name, size_t length)
{
	for (; !is_last(rows); rows++) {
		if (rows->name && strncmp(rows->name, name, length) == 0 && !rows->name[length])
			return rows;
	}
	return NULL;
}

static const struct option_row *find_letter(const struct option_row *rows, int letter)
{
	for (; !is_last(rows); rows++) {
		if (rows->name && rows->letter == letter)
			return rows;
	}
	return NULL;
}

static _Noreturn void unknown_name(const struct parser *parser, const char *name, size_t length)
{
	const char *names[ROWS_MAX + 3], *nearest;
	char given[64];
	size_t count = 0;

	for (const struct option_row *row = parser->table->rows; !is_last(row); row++) {
		if (row->name)
			names[count++] = row->name;
	}
	for (const struct option_row *row = standard_rows; !is_last(row); row++)
		names[count++] = row->name;
	names[count] = NULL;
	snprintf(given, sizeof(given), "%.*s", (int)length, name);
	nearest = nearest_word(given, names);
	if (nearest)
		option_misuse(&parser->context, "unknown option '--%s'; did you mean '--%s'?", given, nearest);
	option_misuse(&parser->context, "unknown option '--%s'", given);
}

/* Both return how many of the arguments that follow are the option's value: 0 or 1. */

static int check_name(struct parser *parser, const char *name, bool is_last_argument)
{
	size_t length = strcspn(name, "=");
	const struct option_row *row = find_name(parser->table->rows, name, length);

	if (!row)
		row = find_name(standard_rows, name, length);
	if (!row)
		unknown_name(parser, name, length);
	if (name[length] && !row->value)
		option_misuse(&parser->context, "option '--%s' takes no value", row->name);
	if (name[length] || !row->value)
		return 0;
	if (is_last_argument)
		option_misuse(&parser->context, "option '--%s' needs a value: --%s=%s", row->name, row->name,
			      row->value);
	return 1;
}

static int check_letters(struct parser *parser, const char *letters, bool is_last_argument)
{
	for (; *letters; letters++) {
		const struct option_row *row = find_letter(parser->table->rows, *letters);

		if (!row)
			row = find_letter(standard_rows, *letters);
		if (!row)
			option_misuse(&parser->context, "unknown option '-%c'", *letters);
		if (!row->value)
			continue;
		if (letters[1]) /* the rest is the value */
			return 0;
		if (is_last_argument)
			option_misuse(&parser->context, "option '-%c' needs a value: -%c %s", *letters, *letters,
				      row->value);
		return 1;
	}
	return 0;
}

static void check_options(struct parser *parser, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		bool is_last_argument = i + 1 == argc;

		if (strcmp(argv[i], "--") == 0)
			return;
		if (strncmp(argv[i], "--", 2) == 0)
			i += check_name(parser, argv[i] + 2, is_last_argument);
		else if (*argv[i] == '-')
			i += check_letters(parser, argv[i] + 1, is_last_argument);
	}
}

/* ---- argp ---------------------------------------------------------------------------------------- */

static int key_of(const struct option_table *table, const struct option_row *row)
{
	return row->letter ? row->letter : KEY_FIRST + (int)(row - table->rows);
}

static void print_examples(const struct option_table *table)
{
	size_t width = 0;

	for (int i = 0; i < OPTION_EXAMPLES; i++) {
		size_t length = strlen(table->examples[i].command);

		width = length > width ? length : width;
	}
	puts("Examples:");
	for (int i = 0; i < OPTION_EXAMPLES; i++)
		printf("  %-*s  %s\n", (int)width, table->examples[i].command, table->examples[i].answer);
	putchar('\n');
}

static error_t parse_key(int key, char *text, struct argp_state *state)
{
	struct parser *parser = state->input;
	const struct option_table *table = parser->table;

	parser->context.row = NULL;
	switch (key) {
	case ARGP_KEY_ARG:
		if (!table->argument)
			option_misuse(&parser->context, "'%s': this command takes no arguments", text);
		table->argument(&parser->context, text, state->arg_num, parser->config);
		return 0;
	case ARGP_KEY_END:
		if (table->check)
			table->check(&parser->context, state->arg_num, parser->config);
		return 0;
	case 'h':
		print_examples(table);
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	case 'V':
		printf("porttrace %s\n", PORTTRACE_VERSION);
		exit(EXIT_DONE);
	}
	for (const struct option_row *row = table->rows; !is_last(row); row++) {
		if (row->name && key_of(table, row) == key) {
			parser->context.row = row;
			row->read(&parser->context, text, (char *)parser->config + row->field);
			return 0;
		}
	}
	return ARGP_ERR_UNKNOWN;
}

/* argp sorts the options of a group by name, and puts group -1 last. */
static void fill_argp_options(const struct option_table *table, struct argp_option *options)
{
	int group = 1;

	for (const struct option_row *row = table->rows; !is_last(row); row++) {
		assert(row - table->rows < ROWS_MAX);
		if (!row->name)
			group++;
		*options++ = (struct argp_option){
			.name = row->name,
			.key = row->name ? key_of(table, row) : 0,
			.arg = row->value,
			.doc = row->help,
			.group = group,
		};
	}
	for (const struct option_row *row = standard_rows; !is_last(row); row++)
		*options++ = (struct argp_option){
			.name = row->name, .key = row->letter, .doc = row->help, .group = -1};
	*options = (struct argp_option){0};
}

/* Removes argp's note that values of long options are also required for the short ones. */
static char *filter_help(int key, const char *text, void *input)
{
	(void)input;
	return key == ARGP_KEY_HELP_DUP_ARGS_NOTE ? NULL : (char *)text;
}

void option_table_parse(const struct option_table *table, int argc, char **argv, void *config)
{
	struct argp_option options[ROWS_MAX + 3];
	const char *slash = strrchr(argv[0], '/');
	struct parser parser = {
		.table = table,
		.context = {.program = slash ? slash + 1 : argv[0]},
		.config = config,
	};
	struct argp argp = {
		.options = options,
		.parser = parse_key,
		.args_doc = table->arguments,
		.doc = table->doc,
		.help_filter = filter_help,
	};

	parser.context.first = parser.first;
	parser.context.has_first = parser.has_first;
	fill_argp_options(table, options);
	check_options(&parser, argc, argv);
	argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, &parser);
}
