/* SPDX-License-Identifier: GPL-2.0-only */
/* Suggestions for a misspelled word. */
#ifndef PORTTRACE_UTIL_NEAREST_H
#define PORTTRACE_UTIL_NEAREST_H

/*
 * The entry of `words` (which ends with NULL) that `word` probably means: one that begins with it, else one
 * that differs by at most two added, omitted, changed or swapped letters. NULL: none. Borrowed from `words`.
 */
const char *nearest_word(const char *word, const char *const *words);

#endif
