/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A command's options as a table. A row names an option, how its value is read, where it goes in the command's
 * config struct, and its line of --help; parsing, help and error messages come from the same row.
 */
#ifndef PORTTRACE_CMD_OPTION_TABLE_H
#define PORTTRACE_CMD_OPTION_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option_row;
struct target;

/* What is being parsed, for error messages. */
struct option_context {
	const char *program;	      /* "porttrace ls" */
	const struct option_row *row; /* NULL: an argument that is not an option */
	struct target *first;	      /* the first local and the first remote target so far; has_first says which */
	bool *has_first;
};

/*
 * Reads the value `text` into *field, or ends the process with option_misuse(). text is NULL where the option
 * takes no value. An option that is given twice is read twice, into the same field.
 */
typedef void option_fn(const struct option_context *context, const char *text, void *field);

struct option_row {
	const char *name;  /* the long name without "--"; NULL: `help` is the title of the rows that follow */
	int letter;	   /* of the short form; 0: there is none */
	const char *value; /* name of the value in --help; NULL: the option takes none */
	option_fn *read;
	size_t field;	   /* offset in the config struct */
	const char *help;
	uint32_t bits;	   /* for option_bits() */
};

/* A row whose value goes to the member FIELD of struct CONFIG; one that sets BITS there; a title. */
#define OPTION(NAME, LETTER, VALUE, READ, CONFIG, FIELD, HELP)                                      \
	{                                                                                           \
		.name = NAME, .letter = LETTER, .value = VALUE, .read = READ,                       \
		.field = offsetof(CONFIG, FIELD), .help = HELP                                      \
	}
#define OPTION_BITS(NAME, LETTER, BITS, CONFIG, FIELD, HELP)                                        \
	{                                                                                           \
		.name = NAME, .letter = LETTER, .read = option_bits, .bits = BITS,                  \
		.field = offsetof(CONFIG, FIELD), .help = HELP                                      \
	}
#define OPTION_TITLE(TITLE) {.help = TITLE}

#define OPTION_EXAMPLES 3

struct option_table {
	/* The beginning of --help: commands, and what each answers. Together they fit into a line of 80 columns. */
	struct {
		const char *command, *answer;
	} examples[OPTION_EXAMPLES];
	const struct option_row *rows; /* ends with a row of zeroes; --help and --version are added */
	const char *arguments;	       /* as --help shows them */
	const char *doc;	       /* before \v: above the options; after: below them */
	/* The argument number `index`, from 0. NULL: the command takes no arguments. */
	void (*argument)(const struct option_context *context, const char *text, unsigned int index,
			 void *config);
	/* Called last, with the number of arguments; NULL: nothing to check. */
	void (*check)(const struct option_context *context, unsigned int count, void *config);
};

/*
 * Fills *config, which holds the defaults, from the command line. --help and --version print and end the process
 * with status 0; a command line that does not parse ends it with a message and status 2. Long options cannot be
 * abbreviated.
 */
void option_table_parse(const struct option_table *table, int argc, char **argv, void *config);

/* Prints "porttrace ls: --pid: MESSAGE (see 'porttrace ls --help')" and ends the process with status 2. */
_Noreturn void option_misuse(const struct option_context *context, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
