/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a run, PROTOCOL.md section 6. */
#include "tunnel/guest/runs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RUN_ID_MAX = 128, RUN_FILE_MAX = 128 };

static const struct limit {
	const char *name;
	size_t offset;
	uint64_t least, most, preset;
} run_limits[] = {
	{"wall_ms", offsetof(struct run_limits, wall_ms), 1, 86400000, 30000},
	{"cpu_ms", offsetof(struct run_limits, cpu_ms), 1, 86400000, 60000},
	{"memory", offsetof(struct run_limits, memory), 1 << 20, INT64_MAX, 536870912},
	{"output", offsetof(struct run_limits, output), 0, INT64_MAX, 16777216},
	{"result", offsetof(struct run_limits, result), 0, INT64_MAX, 67108864},
	{"calls", offsetof(struct run_limits, calls), 0, INT64_MAX, 1000},
	{"calls_open", offsetof(struct run_limits, calls_open), 1, 65536, 128},
	{"processes", offsetof(struct run_limits, processes), 1, 65536, 128},
	{"file", offsetof(struct run_limits, file), 0, INT64_MAX, 268435456},
};

static int read_limits(struct run_limits *limits, struct span object, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(run_limits); i++) {
		const struct limit *l = &run_limits[i];
		struct span value = span_member(object, l->name);
		int64_t number = (int64_t)l->preset;

		if (value.p && span_int64(value, &number) < 0)
			return error_set(err, -EINVAL, "limits.%s is not an integer", l->name);
		if (number < 0 || (uint64_t)number < l->least || (uint64_t)number > l->most)
			return error_set(err, -ERANGE, "limits.%s is out of range", l->name);
		*(uint64_t *)(void *)((char *)limits + l->offset) = (uint64_t)number;
	}
	return 0;
}

/* What a run may be written in, the interpreter that it needs, and what its file is called when the broker does not
 * say. */
static const struct run_language {
	const char *name, *file;
	enum guest_language interpreter;
} run_languages[] = {
	{"javascript", "main.js", LANGUAGE_JAVASCRIPT},
	{"typescript", "main.ts", LANGUAGE_JAVASCRIPT}, /* the shim reads the head and takes the types out */
	{"python", "main.py", LANGUAGE_PYTHON},
	{"bash", "main.sh", LANGUAGE_BASH},
};

static const struct run_language *find_language(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(run_languages); i++)
		if (strcmp(run_languages[i].name, name) == 0)
			return &run_languages[i];
	return NULL;
}

/* The name becomes a file in the working directory and a word of a command line. */
static bool plain_name(const char *name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+";

	return *name && *name != '.' && *name != '-' && strspn(name, good) == strlen(name);
}

int run_read_head(struct run *run, struct span head, struct error *err)
{
	_cleanup_free_ char *name = NULL;
	const struct run_language *language;
	struct span object;
	int r = span_check(head, true, &object, err);

	if (r < 0)
		return error_wrap(err, "head of a run");
	run->id = span_strdup(span_member(object, "run"), RUN_ID_MAX);
	name = span_strdup(span_member(object, "language"), 64);
	if (!run->id || !name)
		return error_set(err, -EINVAL, "head of a run: \"run\" or \"language\" is missing");
	language = find_language(name);
	if (!language)
		return error_set(err, -ENOTSUP, "language: \"%s\" is not javascript, typescript, python or bash", name);
	run->language = language->interpreter;
	run->file = span_strdup(span_member(object, "file"), RUN_FILE_MAX);
	if (!run->file || !plain_name(run->file)) {
		free(run->file);
		run->file = strdup(language->file);
	}
	if (!run->file)
		return error_set(err, -ENOMEM, "no memory for a run");
	return read_limits(&run->limits, span_member(object, "limits"), err);
}
