/* SPDX-License-Identifier: Apache-2.0 */
#include "providers/keeper/spec.h"

#include "base/ids.h"

#include <errno.h>
#include <string.h>

enum { SPEC_STRINGS_MAX = 512, SPEC_STRING_MAX = 4096 };

static void free_strings(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void spec_done(struct spec *spec)
{
	free(spec->dir);
	free_strings(spec->argv);
	free_strings(spec->envp);
	free_strings(spec->must_read);
	free_strings(spec->tmpfs);
	for (size_t i = 0; i < spec->grant_count; i++) {
		free(spec->grants[i].data);
		free(spec->grants[i].path);
	}
	explicit_bzero(spec, sizeof(*spec));
}

static int read_string(struct span object, const char *name, char **ret, struct error *err)
{
	char *text = span_strdup(span_member(object, name), SPEC_STRING_MAX);

	if (!text)
		return error_set(err, -EINVAL, "keeper: \"%s\" must be a string", name);
	*ret = text;
	return 0;
}

static int read_strings(struct span object, const char *name, char ***ret, struct error *err)
{
	struct span list = span_member(object, name), item;
	char **strings;
	size_t at = 0, count = 0;

	if (list.p && span_type(list) != SPAN_ARRAY)
		return error_set(err, -EINVAL, "keeper: \"%s\" must be a list of strings", name);
	strings = calloc(SPEC_STRINGS_MAX + 1, sizeof(*strings));
	if (!strings)
		return error_set(err, -ENOMEM, "keeper: no memory");
	*ret = strings;
	while (list.p && span_next_element(list, &at, &item)) {
		if (count == SPEC_STRINGS_MAX)
			return error_set(err, -E2BIG, "keeper: more than %d words in \"%s\"", SPEC_STRINGS_MAX, name);
		strings[count] = span_strdup(item, SPEC_STRING_MAX);
		if (!strings[count++])
			return error_set(err, -EINVAL, "keeper: \"%s\" must be a list of strings", name);
	}
	/* Hundreds of keepers live at once: give back what was reserved. */
	strings = realloc(strings, (count + 1) * sizeof(*strings));
	if (strings)
		*ret = strings;
	return 0;
}

/* Absent counts as 0. */
static int read_number(struct span object, const char *name, uint64_t most, uint64_t *ret, struct error *err)
{
	struct span number = span_member(object, name);
	int64_t value = 0;

	if (number.p && (span_int64(number, &value) < 0 || value < 0 || (uint64_t)value > most))
		return error_set(err, -EINVAL, "keeper: \"%s\" must be a number from 0 to %llu", name,
				 (unsigned long long)most);
	*ret = (uint64_t)value;
	return 0;
}

static int read_bytes(struct span object, struct spec_grant *grant, struct error *err)
{
	_cleanup_free_ char *hex = span_strdup(span_member(object, "hex"), SPEC_MAX);
	size_t len = hex ? strlen(hex) / 2 : 0;

	grant->data = malloc(len + 1);
	if (!grant->data)
		return error_set(err, -ENOMEM, "keeper: no memory");
	if (!hex || hex_decode(grant->data, len, hex) < 0)
		return error_set(err, -EINVAL, "keeper: a grant of bytes needs \"hex\"");
	grant->len = len;
	return 0;
}

static int read_grant(struct span object, struct spec_grant *grant, struct error *err)
{
	uint64_t kind = 0, fd = 0;
	int r;

	r = read_number(object, "grant", SPEC_GRANT_PATH, &kind, err);
	if (r == 0)
		r = read_number(object, "fd", 63, &fd, err);
	if (r < 0)
		return r;
	if (kind < SPEC_GRANT_LISTEN || fd < 3)
		return error_set(err, -EINVAL, "keeper: a grant needs a known kind and a descriptor from 3 on");
	grant->kind = (enum spec_grant_kind)kind;
	grant->child_fd = (int)fd;
	if (grant->kind == SPEC_GRANT_BYTES)
		return read_bytes(object, grant, err);
	if (grant->kind == SPEC_GRANT_PATH)
		return read_string(object, "path", &grant->path, err);
	return 0;
}

static int read_grants(struct span object, struct spec *spec, struct error *err)
{
	struct span list = span_member(object, "grants"), item;
	size_t at = 0;
	int r;

	while (span_type(list) == SPAN_ARRAY && span_next_element(list, &at, &item)) {
		if (spec->grant_count == SPEC_GRANTS_MAX)
			return error_set(err, -E2BIG, "keeper: more than %d grants", SPEC_GRANTS_MAX);
		r = read_grant(item, &spec->grants[spec->grant_count++], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_all(struct span object, struct spec *spec, struct error *err)
{
	_cleanup_free_ char *secret = NULL;
	int r;

	if ((r = read_string(object, "dir", &spec->dir, err)) < 0 ||
	    (r = read_string(object, "secret", &secret, err)) < 0 ||
	    (r = read_strings(object, "argv", &spec->argv, err)) < 0 ||
	    (r = read_strings(object, "envp", &spec->envp, err)) < 0 ||
	    (r = read_strings(object, "must_read", &spec->must_read, err)) < 0 ||
	    (r = read_strings(object, "tmpfs", &spec->tmpfs, err)) < 0 || (r = read_grants(object, spec, err)) < 0 ||
	    (r = read_number(object, "memory", INT64_MAX, &spec->memory, err)) < 0 ||
	    (r = read_number(object, "disk", INT64_MAX, &spec->disk, err)) < 0 ||
	    (r = read_number(object, "processes", 1000000, &spec->processes, err)) < 0 ||
	    (r = read_number(object, "cpu_percent", 100000, &spec->cpu_percent, err)) < 0 ||
	    (r = read_number(object, "lease_ms", SPEC_LEASE_MOST_MS, &spec->lease_ms, err)) < 0)
		return r;
	spec->own_uid = span_bool(span_member(object, "own_uid"), false);
	spec->no_cgroup = span_bool(span_member(object, "no_cgroup"), false);
	if (hex_decode(spec->secret, sizeof(spec->secret), secret) < 0)
		r = error_set(err, -EINVAL, "keeper: \"secret\" must be 64 hexadecimal digits");
	else if (spec->lease_ms < SPEC_LEASE_LEAST_MS)
		r = error_set(err, -EINVAL, "keeper: \"lease_ms\" must be at least %d", SPEC_LEASE_LEAST_MS);
	else if (spec->dir[0] != '/' || !spec->argv[0] || spec->argv[0][0] != '/')
		r = error_set(err, -EINVAL, "keeper: \"dir\" and the first word of \"argv\" must be absolute paths");
	explicit_bzero(secret, strlen(secret));
	return r;
}

int spec_parse(struct span text, struct spec *ret, struct error *err)
{
	struct spec spec = {.dir = NULL};
	struct span object;
	int r;

	r = span_check(text, true, &object, err);
	if (r == 0 && span_type(object) != SPAN_OBJECT)
		r = error_set(err, -EINVAL, "the specification is not a JSON object");
	if (r < 0)
		return error_wrap(err, "keeper");
	r = read_all(object, &spec, err);
	if (r < 0) {
		spec_done(&spec);
		return r;
	}
	*ret = spec;
	return 0;
}
