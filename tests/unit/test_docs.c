/* SPDX-License-Identifier: GPL-2.0-only */
/* The documents and the program must name the same fields and causes. Run from the top of the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "diagnose/cause.h"
#include "render/fields.h"

#define SCHEMA "docs/json-schema.md"
#define CAUSES "docs/causes.md"
#define CELLS  4

/* Parses a row "| `name` | cell | cell | ..."; false: the line is not a row. */
static bool row_parse(char *line, char *cells[CELLS])
{
	char *rest = line + 1;

	if (strncmp(line, "| `", 3) != 0)
		return false;
	for (int i = 0; i < CELLS; i++) {
		char *cell = strsep(&rest, "|"), *end;

		cells[i] = cell ? cell + strspn(cell, " `") : (char *)"";
		if (!cell)
			continue;
		for (end = cell + strlen(cell); end > cells[i] && strchr(" `\n", end[-1]); end--)
			end[-1] = '\0';
	}
	return true;
}

static FILE *document(const char *path)
{
	FILE *file = fopen(path, "r");

	if (!file)
		fail_msg("%s does not exist: run this from the top of the tree", path);
	return file;
}

static unsigned int lines_of(const char *cell)
{
	return (strstr(cell, "event") ? FIELD_OF_EVENT : 0) | (strstr(cell, "ls") ? FIELD_OF_PORT : 0) |
	       (strstr(cell, "holder") ? FIELD_OF_HOLDER : 0) | (strstr(cell, "process") ? FIELD_OF_PROCESS : 0);
}

static const char *type_name(enum field_type type)
{
	switch (type) {
	case FIELD_NUMBER:
	case FIELD_MILLISECONDS:
		return "number";
	case FIELD_TRUE:
		return "true";
	case FIELD_WORD:
	case FIELD_BYTES:
		return "text";
	case FIELD_WORDS:
	case FIELD_PROCESSES:
		return "list";
	case FIELD_BOOT_TIME:
		return "time";
	}
	return "";
}

static size_t field_index(const char *name)
{
	size_t i;

	for (i = 0; i < field_count && (!fields[i].name || strcmp(fields[i].name, name) != 0); i++)
		;
	return i;
}

static void every_field_is_in_the_schema(void **state)
{
	FILE *file = document(SCHEMA);
	bool described[64] = {false}, in_table = false;
	char line[2048], *cells[CELLS];

	(void)state;
	assert_true(field_count <= sizeof(described));
	while (fgets(line, sizeof(line), file)) {
		size_t i;

		if (strncmp(line, "## ", 3) == 0)
			in_table = strstr(line, "The fields of a socket") != NULL;
		if (!in_table || !row_parse(line, cells))
			continue;
		i = field_index(cells[0]);
		if (i == field_count)
			fail_msg("%s has a field that porttrace does not have: %s", SCHEMA, cells[0]);
		described[i] = true;
		if (strcmp(cells[1], type_name(fields[i].type)) != 0)
			fail_msg("%s: %s is a %s", SCHEMA, cells[0], type_name(fields[i].type));
		if (lines_of(cells[2]) != fields[i].lines)
			fail_msg("%s: the commands that show %s differ from fields.c", SCHEMA, cells[0]);
	}
	fclose(file);
	for (size_t i = 0; i < field_count; i++) {
		if (!fields[i].name) /* a column of text */
			continue;
		if (!described[i])
			fail_msg("%s does not describe %s", SCHEMA, fields[i].name);
	}
}

/* Returns the number of rows; each must be a cause. */
static size_t causes_described(void)
{
	FILE *file = document(CAUSES);
	char line[2048], *cells[CELLS];
	size_t count = 0;

	while (fgets(line, sizeof(line), file)) {
		if (!row_parse(line, cells))
			continue;
		if (!diagnose_meaning(cells[0]))
			fail_msg("%s has a cause that porttrace does not have: %s", CAUSES, cells[0]);
		count++;
	}
	fclose(file);
	return count;
}

static void every_cause_is_in_the_document(void **state)
{
	FILE *file = document(CAUSES);
	const struct cause_row *row;
	char wanted[80], *text = NULL;
	size_t size = 0, count = 0;

	(void)state;
	assert_true(getdelim(&text, &size, '\0', file) > 0);
	for (enum cause cause = CAUSE_NONE; (row = cause_row(cause)); cause++, count++) {
		snprintf(wanted, sizeof(wanted), "\n| `%.63s` |", row->id);
		if (!strstr(text, wanted))
			fail_msg("%s does not describe %s", CAUSES, row->id);
	}
	assert_int_equal(count, causes_described());
	free(text);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_is_in_the_schema),
		cmocka_unit_test(every_cause_is_in_the_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
