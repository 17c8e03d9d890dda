/* SPDX-License-Identifier: GPL-2.0-only */
/* Suggestions for a misspelled word. */
#ifndef PORTTRACE_UTIL_NEAREST_H
#define PORTTRACE_UTIL_NEAREST_H

/*
 * The one of `words` (which ends with NULL) that `word` probably means: one that it abbreviates, else one that
 * at most two added, left out, changed or swapped letters make of it. NULL: none. The result is borrowed from
 * `words`.
 */
const char *nearest_word(const char *word, const char *const *words);

#endif
