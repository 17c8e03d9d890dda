/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uthash, configured not to exit when memory runs out: HASH_ADD leaves hh.tbl NULL in an item that it could
 * not add.
 */
#ifndef PORTTRACE_MODEL_HASH_H
#define PORTTRACE_MODEL_HASH_H

#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/*
 * Sets `item` to the item with the key `wanted`, and moves it to the end of the insertion order. If there is
 * none, adds one that is zero except for the key; with `max` items it replaces the oldest. NULL: no memory.
 * Items have a member `key` of the type of `wanted`, without padding.
 */
#define HASH_GET_NEWEST(head, wanted, max, item)                                           \
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
