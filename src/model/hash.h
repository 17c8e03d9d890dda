/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uthash as the model uses it: out of memory is an answer, not the end of the program. HASH_ADD
 * leaves hh.tbl NULL in an item that it could not add.
 */
#ifndef PORTTRACE_MODEL_HASH_H
#define PORTTRACE_MODEL_HASH_H

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Of items with a member `key` of the type of `wanted`, without padding: its item, now the newest one. Where
 * there was none it is zero but for the key, and made of the oldest where there are `max`. NULL: no memory. */
#define HASH_RENEW(head, wanted, max, item)                                           \
	do {                                                                           \
		HASH_FIND(hh, head, &(wanted), sizeof(wanted), item);                  \
		if (!(item) && HASH_COUNT(head) >= (max)) {                            \
			(item) = (head);                                               \
			HASH_DEL(head, item);                                          \
			memset(item, 0, sizeof(*(item)));                              \
		} else if (item) {                                                     \
			HASH_DEL(head, item);                                          \
		} else {                                                               \
			(item) = calloc(1, sizeof(*(item)));                           \
			if (!(item))                                                   \
				break;                                                 \
		}                                                                      \
		(item)->key = (wanted);                                                \
		HASH_ADD(hh, head, key, sizeof((item)->key), item);                    \
		if (!(item)->hh.tbl) {                                                 \
			free(item);                                                    \
			(item) = NULL;                                                 \
		}                                                                      \
	} while (0)

#define HASH_FREE_ALL(head, item, next)                                                \
	HASH_ITER(hh, head, item, next) {                                              \
		HASH_DEL(head, item);                                                  \
		free(item);                                                            \
	}

#endif
