/* SPDX-License-Identifier: GPL-2.0-only */
#include "util/shell_loop.h"

#include <string.h>

#define DEPTH_MAX 16

static const char separators[] = " \t\n;&|(){}\"'`";

struct parser {
	const char *at; /* after the word */
	const char *word;
	size_t length;
	bool repeats;		   /* the loop that `do` begins next is `while` or `until` */
	bool is_repeating[DEPTH_MAX]; /* of each loop whose body this is */
	size_t depth;
};

static bool next_word(struct parser *parser)
{
	for (;;) {
		parser->at += strspn(parser->at, separators);
		if (*parser->at != '#')
			break;
		parser->at += strcspn(parser->at, "\n");
	}
	parser->word = parser->at;
	parser->length = strcspn(parser->at, separators);
	parser->at += parser->length;
	return parser->length;
}

static bool is_word(const struct parser *parser, const char *word)
{
	return strlen(word) == parser->length && !memcmp(parser->word, word, parser->length);
}

static bool is_name(const struct parser *parser, const char *name)
{
	size_t length = strlen(name);

	return length && length <= parser->length && !memcmp(parser->word + parser->length - length, name, length) &&
	       (length == parser->length || parser->word[parser->length - length - 1] == '/');
}

/* Whether the command goes to the background: its first "&" that is not part of "&&", ">&" or "&>". */
static bool is_background(const char *at)
{
	at += strcspn(at, "&;\n|");
	while (*at == '&' && (at[-1] == '>' || at[1] == '>')) {
		at++;
		at += strcspn(at, "&;\n|");
	}
	return *at == '&' && at[1] != '&';
}

static bool is_repeating(const struct parser *parser)
{
	for (size_t i = 0; i < parser->depth && i < DEPTH_MAX; i++) {
		if (parser->is_repeating[i])
			return true;
	}
	return false;
}

static bool is_any(const struct parser *parser, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (is_name(parser, names[i]))
			return true;
	}
	return false;
}

bool shell_loop_runs(const char *script, const char *const *names, size_t count)
{
	struct parser parser = {.at = script};

	while (next_word(&parser)) {
		if (is_word(&parser, "while") || is_word(&parser, "until")) {
			parser.repeats = true;
		} else if (is_word(&parser, "for") || is_word(&parser, "select")) {
			parser.repeats = false;
		} else if (is_word(&parser, "do")) {
			if (parser.depth < DEPTH_MAX)
				parser.is_repeating[parser.depth] = parser.repeats;
			parser.depth++;
		} else if (is_word(&parser, "done")) {
			parser.depth -= parser.depth > 0;
		} else if (is_repeating(&parser) && is_any(&parser, names, count) && !is_background(parser.at)) {
			return true;
		}
	}
	return false;
}
