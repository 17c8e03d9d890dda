/* SPDX-License-Identifier: GPL-2.0-only */
#include "util/nearest.h"

#include <stddef.h>
#include <string.h>

#define LENGTH_MAX   32
#define DISTANCE_MAX 2

static size_t least(size_t a, size_t b, size_t c)
{
	if (b < a)
		a = b;
	return c < a ? c : a;
}

/* Optimal string alignment: Levenshtein distance in which a swap of two neighbours counts as one change. */
static size_t distance(const char *a, const char *b)
{
	size_t a_length = strlen(a), b_length = strlen(b);
	size_t cost[LENGTH_MAX + 1][LENGTH_MAX + 1];

	if (a_length > LENGTH_MAX || b_length > LENGTH_MAX)
		return LENGTH_MAX;
	for (size_t i = 0; i <= a_length; i++)
		cost[i][0] = i;
	for (size_t j = 0; j <= b_length; j++)
		cost[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		for (size_t j = 1; j <= b_length; j++) {
			cost[i][j] = least(cost[i - 1][j] + 1, cost[i][j - 1] + 1,
					   cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1, LENGTH_MAX);
		}
	}
	return cost[a_length][b_length];
}

const char *nearest_word(const char *word, const char *const *words)
{
	const char *nearest = NULL;
	size_t length = strlen(word), best = DISTANCE_MAX + 1;

	for (size_t i = 0; length && words[i]; i++) {
		size_t changes = distance(word, words[i]);

		if (strncmp(word, words[i], length) == 0)
			return words[i];
		/* If every letter would have to change, it is a different word. */
		if (changes < best && changes < length && changes < strlen(words[i])) {
			best = changes;
			nearest = words[i];
		}
	}
	return nearest;
}
