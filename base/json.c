/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { STRING_MOST = 4096, FAULTS_MAX = 16 << 10, NEAREST_MAX = 64, FAULTS_MOST = 10 };

/* One decoding: faults are gathered, one line each. */
struct decode {
	const struct json_field *table;
	size_t count;
	struct buf faults;
	size_t fault_count;
};

static bool is_enough(const struct decode *d)
{
	return d->fault_count > FAULTS_MOST;
}

static void _printf_(2, 3) fault(struct decode *d, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* The first faults are the ones that matter, and whoever wrote the text may make any number of them. */
	if (d->fault_count++ >= FAULTS_MOST)
		return;
	if ((d->faults.len == 0 || buf_append(&d->faults, "\n", 1) == 0) && buf_append_str(&d->faults, line) < 0)
		return;
}

static void *place(const struct json_field *f, void *data)
{
	return (char *)data + f->offset;
}

static int64_t most_of(const struct json_field *f)
{
	if (f->most)
		return f->most;
	return f->kind == JSON_KIND_STRING || f->kind == JSON_KIND_STRINGS ? STRING_MOST : INT64_MAX;
}

static const char *kind_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		break;
	}
	return "null";
}

static void decode_string(struct decode *d, const struct json_field *f, const json_t *value, char **ret)
{
	size_t len = json_string_length(value);

	if (!json_is_string(value))
		fault(d, "%s: is %s, must be a string", f->name, kind_name(value));
	else if ((int64_t)len < f->least || (int64_t)len > most_of(f))
		fault(d, "%s: has %zu bytes, must have %lld to %lld", f->name, len, (long long)f->least,
		      (long long)most_of(f));
	else if (strlen(json_string_value(value)) != len)
		fault(d, "%s: has a NUL character inside", f->name);
	else if (!(*ret = strdup(json_string_value(value))))
		fault(d, "%s: no memory", f->name);
}

static void decode_integer(struct decode *d, const struct json_field *f, const json_t *value, int64_t *ret)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value))
		fault(d, "%s: is %s, must be an integer", f->name, kind_name(value));
	else if (n < f->least)
		fault(d, "%s: %lld is under %lld", f->name, (long long)n, (long long)f->least);
	else if (n > most_of(f))
		fault(d, "%s: %lld is over %lld", f->name, (long long)n, (long long)most_of(f));
	else
		*ret = n;
}

static void decode_boolean(struct decode *d, const struct json_field *f, const json_t *value, bool *ret)
{
	if (json_is_boolean(value))
		*ret = json_is_true(value);
	else
		fault(d, "%s: is %s, must be true or false", f->name, kind_name(value));
}

static void fault_enum(struct decode *d, const struct json_field *f, const char *is)
{
	const char *near = json_nearest(is, f->names);
	_cleanup_buf_ struct buf known = BUF_INIT(256);

	for (size_t i = 0; f->names[i]; i++)
		if (buf_printf(&known, "%s%s", i ? ", " : "", f->names[i]) < 0)
			break;
	if (near)
		fault(d, "%s: \"%.64s\" is unknown; did you mean \"%s\"?", f->name, is, near);
	else
		fault(d, "%s: \"%.64s\" is unknown; it is one of %.*s", f->name, is, (int)known.len,
		      known.len ? (const char *)buf_head(&known) : "");
}

static void decode_enum(struct decode *d, const struct json_field *f, const json_t *value, int *ret)
{
	if (!json_is_string(value)) {
		fault(d, "%s: is %s, must be a string", f->name, kind_name(value));
		return;
	}
	for (int i = 0; f->names[i]; i++) {
		if (strcmp(f->names[i], json_string_value(value)) == 0) {
			*ret = i;
			return;
		}
	}
	fault_enum(d, f, json_string_value(value));
}

static void decode_strings(struct decode *d, const struct json_field *f, const json_t *value, struct json_strings *ret)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value)) {
		fault(d, "%s: is %s, must be a list of strings", f->name, kind_name(value));
		return;
	}
	if ((int64_t)n < f->least || (int64_t)n > most_of(f)) {
		fault(d, "%s: has %zu items, must have %lld to %lld", f->name, n, (long long)f->least,
		      (long long)most_of(f));
		return;
	}
	ret->items = calloc(n + 1, sizeof(*ret->items));
	if (!ret->items)
		fault(d, "%s: no memory", f->name);
	for (size_t i = 0; ret->items && i < n && !is_enough(d); i++) {
		const json_t *item = json_array_get(value, i);

		if (!json_is_string(item) || strlen(json_string_value(item)) != json_string_length(item))
			fault(d, "%s[%zu]: is %s, must be a string%s", f->name, i, kind_name(item),
			      json_is_string(item) ? " without NUL" : "");
		else if ((ret->items[ret->count] = strdup(json_string_value(item))))
			ret->count++;
		else
			fault(d, "%s[%zu]: no memory", f->name, i);
	}
}

static void decode_field(struct decode *d, const struct json_field *f, json_t *value, void *to)
{
	switch (f->kind) {
	case JSON_KIND_STRING:
		decode_string(d, f, value, to);
		return;
	case JSON_KIND_INTEGER:
		decode_integer(d, f, value, to);
		return;
	case JSON_KIND_BOOLEAN:
		decode_boolean(d, f, value, to);
		return;
	case JSON_KIND_ENUM:
		decode_enum(d, f, value, to);
		return;
	case JSON_KIND_STRINGS:
		decode_strings(d, f, value, to);
		return;
	case JSON_KIND_RAW:
		*(json_t **)to = json_incref(value);
		return;
	case JSON_KIND_SPAN: /* json_table_read() has it */
		return;
	}
}

static void preset_field(const struct json_field *f, void *to)
{
	switch (f->kind) {
	case JSON_KIND_STRING:
		*(char **)to = NULL;
		return;
	case JSON_KIND_INTEGER:
		*(int64_t *)to = f->preset;
		return;
	case JSON_KIND_BOOLEAN:
		*(bool *)to = f->preset != 0;
		return;
	case JSON_KIND_ENUM:
		*(int *)to = (int)f->preset;
		return;
	case JSON_KIND_STRINGS:
		*(struct json_strings *)to = (struct json_strings){NULL, 0};
		return;
	case JSON_KIND_RAW:
		*(json_t **)to = NULL;
		return;
	case JSON_KIND_SPAN:
		*(struct span *)to = SPAN_NONE;
		return;
	}
}

static bool is_key_of(const struct json_field *f, const char *key)
{
	return strcmp(f->name, key) == 0 || (f->alias && strcmp(f->alias, key) == 0);
}

static void check_unknown(struct decode *d, json_t *object)
{
	const char *names[NEAREST_MAX + 1] = {NULL}, *key, *near;
	json_t *value;
	size_t i;

	for (i = 0; i < d->count && i < NEAREST_MAX; i++)
		names[i] = d->table[i].name;
	json_object_foreach (object, key, value) {
		for (i = 0; i < d->count && !is_key_of(&d->table[i], key); i++)
			;
		if (i < d->count)
			continue;
		if (is_enough(d))
			return;
		near = json_nearest(key, names);
		if (near)
			fault(d, "%.64s: is unknown; did you mean \"%s\"?", key, near);
		else
			fault(d, "%.64s: is unknown; remove it", key);
	}
}

static void decode_all(struct decode *d, json_t *object, void *data)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct json_field *f = &d->table[i];
		json_t *value = json_object_get(object, f->name);
		json_t *other = f->alias ? json_object_get(object, f->alias) : NULL;

		if (value && other)
			fault(d, "%s: stands beside its other spelling \"%s\"; remove one", f->name, f->alias);
		if (!value)
			value = other;
		/* null stands for "absent" in what many clients send. */
		if (value && !(json_is_null(value) && f->kind != JSON_KIND_RAW))
			decode_field(d, f, value, place(f, data));
		else if (f->required)
			fault(d, "%s: is missing", f->name);
	}
}

int json_table_decode(const struct json_field *table, size_t count, json_t *object, bool lax, void *data,
		      struct error *err)
{
	struct decode d = {.table = table, .count = count, .faults = BUF_INIT(FAULTS_MAX)};
	int r = 0;

	for (size_t i = 0; i < count; i++)
		preset_field(&table[i], place(&table[i], data));
	if (!json_is_object(object))
		return error_set(err, -EINVAL, "is %s, must be an object", object ? kind_name(object) : "missing");
	decode_all(&d, object, data);
	if (!lax)
		check_unknown(&d, object);
	if (is_enough(&d))
		(void)!buf_append_str(&d.faults, "\nand more");
	if (d.faults.len) {
		r = error_set(err, -EINVAL, "%.*s", (int)d.faults.len, (const char *)buf_head(&d.faults));
		json_table_done(table, count, data);
	}
	buf_done(&d.faults);
	return r;
}

static void strings_done(struct json_strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
	*s = (struct json_strings){NULL, 0};
}

void json_table_done(const struct json_field *table, size_t count, void *data)
{
	for (size_t i = 0; i < count; i++) {
		void *at = place(&table[i], data);

		switch (table[i].kind) {
		case JSON_KIND_STRING:
			free(*(char **)at);
			*(char **)at = NULL;
			break;
		case JSON_KIND_INTEGER:
			*(int64_t *)at = 0;
			break;
		case JSON_KIND_BOOLEAN:
			*(bool *)at = false;
			break;
		case JSON_KIND_ENUM:
			*(int *)at = 0;
			break;
		case JSON_KIND_STRINGS:
			strings_done(at);
			break;
		case JSON_KIND_RAW:
			json_decref(*(json_t **)at);
			*(json_t **)at = NULL;
			break;
		case JSON_KIND_SPAN:
			*(struct span *)at = SPAN_NONE;
			break;
		}
	}
}
