/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/doors/names.h"

#include <string.h>

static bool is(const char *text, const char *name, size_t len)
{
	return strlen(text) == len && memcmp(text, name, len) == 0;
}

const struct config_server *names_find_server(const struct config *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->server_count; i++)
		if (is(c->servers[i].name, name, len))
			return &c->servers[i];
	for (size_t i = 0; i < c->server_count; i++)
		if (is(c->servers[i].id, name, len))
			return &c->servers[i];
	return NULL;
}

/* text is server SEPARATOR tool. */
static char *split_at(const struct config *c, const char *text, const char *separator, const char **ret_tool)
{
	const char *first = strstr(text, separator), *p;
	const struct config_server *found = NULL;
	size_t n = strlen(separator);

	for (p = first; p; p = strstr(p + 1, separator)) {
		const struct config_server *s = names_find_server(c, text, (size_t)(p - text));

		if (s && p[n]) {
			found = s;
			*ret_tool = p + n;
		}
	}
	if (found)
		return strdup(found->name);
	if (!first || first == text || !first[n])
		return NULL;
	*ret_tool = first + n;
	return strndup(text, (size_t)(first - text));
}

char *names_split(const struct config *c, const char *text, const char **ret_tool)
{
	if (strncmp(text, "mcp__", 5) == 0)
		return split_at(c, text + 5, "__", ret_tool);
	return split_at(c, text, ".", ret_tool);
}
