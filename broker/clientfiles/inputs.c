/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/clientfiles/inputs.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { VARIABLE_MAX = 128 };

int inputs_variable(const char *id, size_t n, char *ret, size_t size)
{
	size_t len = (size_t)snprintf(ret, size, "HAWSER_INPUT_");

	if (n == 0 || len + n >= size)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		unsigned char ch = (unsigned char)id[i];

		ret[len++] = isascii(ch) && isalnum(ch) ? (char)toupper(ch) : '_';
	}
	ret[len] = '\0';
	return 0;
}

int inputs_collect(const char *text, json_t *env)
{
	const char *end;

	while ((text = strstr(text, "${input:")) && (end = strchr(text, '}'))) {
		const char *id = text + strlen("${input:");
		char variable[VARIABLE_MAX];

		if (inputs_variable(id, (size_t)(end - id), variable, sizeof(variable)) == 0 &&
		    json_object_set_new(env, variable, json_stringn(text, (size_t)(end + 1 - text))) < 0)
			return -ENOMEM;
		text = end;
	}
	return 0;
}
