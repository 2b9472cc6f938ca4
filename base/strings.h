/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_STRINGS_H
#define HAWSER_BASE_STRINGS_H

#include "base/cleanup.h"

#include <stddef.h>

/* A copy on the heap; of NULL: NULL. -ENOMEM leaves *ret as it is. */
int string_copy(const char *text, char **ret) _must_check_;

/* Lists of texts as argv is one: ending with NULL. A list that is read may be NULL, which is one without entries. */
size_t strings_count(const char *const *list);
/* Copies of first's entries and then of second's, on the heap; NULL: no memory. */
char **strings_join(const char *const *first, const char *const *second);
char **strings_copy(const char *const *list);
/* Takes NULL; returns NULL. */
char **strings_free(char **list);

#endif
