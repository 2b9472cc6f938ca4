/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>
#include <string.h>

/* The rest of base/json.h: parsing, printing, a table's schema, nearest names. */

enum { NAME_MAX_LEN = 64 };

int json_parse(const char *text, size_t len, json_t **ret, struct error *err)
{
	json_error_t fault;
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &fault);

	if (!value)
		return error_set(err, json_error_code(&fault) == json_error_out_of_memory ? -ENOMEM : -EINVAL,
				 "%s at line %d, column %d", fault.text, fault.line, fault.column);
	*ret = value;
	return 0;
}

static int print_piece(const char *text, size_t len, void *user)
{
	return buf_append(user, text, len) < 0 ? -1 : 0;
}

int json_print(struct buf *out, const json_t *value)
{
	size_t before = out->len;

	if (json_dump_callback(value, print_piece, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
		return 0;
	out->len = before;
	return -E2BIG;
}

static json_t *schema_strings(void)
{
	return json_pack("{s:s, s:{s:s}}", "type", "array", "items", "type", "string");
}

static json_t *schema_enum(const struct json_field *f)
{
	json_t *names = json_array();

	for (size_t i = 0; names && f->names[i]; i++)
		json_array_append_new(names, json_string(f->names[i]));
	return json_pack("{s:s, s:o}", "type", "string", "enum", names);
}

static json_t *schema_integer(const struct json_field *f)
{
	json_t *schema = json_pack("{s:s, s:I}", "type", "integer", "minimum", (json_int_t)f->least);

	if (f->most)
		json_object_set_new(schema, "maximum", json_integer(f->most));
	return schema;
}

static json_t *schema_bare(const struct json_field *f)
{
	switch (f->kind) {
	case JSON_KIND_STRING:
		return json_pack("{s:s}", "type", "string");
	case JSON_KIND_INTEGER:
		return schema_integer(f);
	case JSON_KIND_BOOLEAN:
		return json_pack("{s:s}", "type", "boolean");
	case JSON_KIND_ENUM:
		return schema_enum(f);
	case JSON_KIND_STRINGS:
		return schema_strings();
	case JSON_KIND_RAW:
	case JSON_KIND_SPAN:
		break;
	}
	return json_object();
}

static json_t *schema_preset(const struct json_field *f)
{
	if (f->required)
		return NULL;
	switch (f->kind) {
	case JSON_KIND_INTEGER:
		/* Outside of its range a preset is a mark for "not given", not a value to advertise. */
		return f->preset >= f->least && f->preset ? json_integer(f->preset) : NULL;
	case JSON_KIND_BOOLEAN:
		return json_boolean(f->preset);
	case JSON_KIND_ENUM:
		return f->preset >= 0 ? json_string(f->names[f->preset]) : NULL;
	case JSON_KIND_STRING:
	case JSON_KIND_STRINGS:
	case JSON_KIND_RAW:
	case JSON_KIND_SPAN:
		break;
	}
	return NULL;
}

static json_t *schema_field(const struct json_field *f)
{
	json_t *schema = schema_bare(f), *preset = schema_preset(f);

	if (f->text)
		json_object_set_new(schema, "description", json_string(f->text));
	if (preset)
		json_object_set_new(schema, "default", preset);
	return schema;
}

int json_table_schema(const struct json_field *table, size_t count, struct buf *out)
{
	json_t *properties = json_object(), *required = json_array(), *schema;
	int r;

	for (size_t i = 0; i < count; i++) {
		json_object_set_new(properties, table[i].name, schema_field(&table[i]));
		if (table[i].required)
			json_array_append_new(required, json_string(table[i].name));
	}
	schema = json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties, "required", required,
			   "additionalProperties", 0);
	if (!schema)
		return -ENOMEM;
	r = json_print(out, schema);
	json_decref(schema);
	return r;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Edits (insert, remove, replace, swap neighbours) from a to b, without regard to case; both at most NAME_MAX_LEN. */
/* Edits from a to b; some number from enough on when there are so many: no row of the table gets below the last one's
 * least again. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m, unsigned enough)
{
	unsigned rows[3][NAME_MAX_LEN + 1];
	unsigned *older = rows[0], *old = rows[1], *now = rows[2];

	for (size_t j = 0; j <= m; j++)
		old[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *next = older, least = (unsigned)i;

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);
			unsigned best = old[j - 1] + !same;

			if (old[j] + 1 < best)
				best = old[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]) && older[j - 2] + 1 < best)
				best = older[j - 2] + 1;
			now[j] = best;
			if (best < least)
				least = best;
		}
		if (least > enough) /* a swap reaches back two rows, so one more than enough */
			return least;
		older = old;
		old = now;
		now = next;
	}
	return old[m];
}

const char *json_nearest(const char *wrong, const char *const *names)
{
	size_t n = strlen(wrong);
	/* One edit for short names, one in three letters for long ones. */
	unsigned least = n < 3 ? 2 : (unsigned)n / 3 + 1;
	const char *best = NULL;

	if (n == 0 || n > NAME_MAX_LEN)
		return NULL;
	for (; *names; names++) {
		size_t m = strlen(*names);
		size_t apart = m > n ? m - n : n - m;
		unsigned d = m <= NAME_MAX_LEN && apart < least ? distance(wrong, n, *names, m, least) : UINT32_MAX;

		if (d < least && d < m) {
			least = d;
			best = *names;
		}
	}
	return best;
}
