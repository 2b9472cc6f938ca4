/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int string_copy(const char *text, char **ret)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

size_t strings_count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

char **strings_join(const char *const *first, const char *const *second)
{
	const char *const *const lists[] = {first, second};
	char **copy = calloc(strings_count(first) + strings_count(second) + 1, sizeof(*copy));
	size_t n = 0;

	for (int i = 0; copy && i < 2; i++)
		for (const char *const *at = lists[i]; at && *at; at++)
			if (!(copy[n++] = strdup(*at)))
				return strings_free(copy);
	return copy;
}

char **strings_copy(const char *const *list)
{
	return strings_join(list, NULL);
}

char **strings_free(char **list)
{
	for (char **at = list; at && *at; at++)
		free(*at);
	free(list);
	return NULL;
}
