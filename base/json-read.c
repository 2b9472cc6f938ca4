/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables with raw members (JSON_KIND_SPAN): what such a member holds is never decoded, so that its numbers keep their
 * text and a large one costs one scan. The rest is decoded from a copy of the text in which null stands in its place.
 */
#include "base/json.h"

#include <errno.h>
#include <string.h>

enum { UNKNOWN_MOST = 100, STRINGS_MOST = 4096, SHAPELESS_MAX = 4096 };

static struct span member_of(const struct json_field *f, struct span object)
{
	struct span value = span_member(object, f->name);

	return value.p || !f->alias ? value : span_member(object, f->alias);
}

static int check_member(const struct json_field *f, struct span value, struct error *err)
{
	int64_t most = f->most ? f->most : INT64_MAX;

	if ((int64_t)value.len > most)
		return error_set(err, -E2BIG, "%s: has %zu bytes of JSON, must have at most %lld", f->name, value.len,
				 (long long)most);
	return span_check(value, true, NULL, err) < 0 ? error_wrap(err, "%s", f->name) : 0;
}

/* The text without what stands at value, which lies in it. */
static int put_without(struct buf *out, struct span *rest, struct span value)
{
	size_t before = (size_t)(value.p - rest->p);
	int r = buf_append(out, rest->p, before);

	*rest = span_of(value.p + value.len, rest->len - before - value.len);
	return r < 0 ? r : buf_append_str(out, "null");
}

/* Spans of the table's raw members, in the order in which they stand in the text. */
static int cut_out(const struct json_field *table, size_t count, struct span object, struct buf *out, struct error *err)
{
	struct span rest = object;

	for (;;) {
		const struct json_field *first = NULL;
		struct span next = SPAN_NONE;
		int r;

		for (size_t i = 0; i < count; i++) {
			struct span value = table[i].kind == JSON_KIND_SPAN ? member_of(&table[i], object) : SPAN_NONE;

			if (value.p && value.p >= rest.p && (!next.p || value.p < next.p)) {
				next = value;
				first = &table[i];
			}
		}
		if (!first)
			break;
		r = check_member(first, next, err);
		if (r < 0)
			return r;
		if (put_without(out, &rest, next) < 0)
			return error_set(err, -ENOMEM, "no memory");
	}
	return buf_append(out, rest.p, rest.len) < 0 ? error_set(err, -ENOMEM, "no memory") : 0;
}

static const struct json_field *find_field(const struct json_field *table, size_t count, struct span key)
{
	for (size_t i = 0; i < count; i++)
		if (span_string_equals(key, table[i].name) ||
		    (table[i].alias && span_string_equals(key, table[i].alias)))
			return &table[i];
	return NULL;
}

/* A large value of the wrong kind, or a list that is too long: known without its being decoded. */
static int check_shape(const struct json_field *f, struct span value, struct error *err)
{
	enum span_type type = span_type(value);
	int64_t most = f->most ? f->most : STRINGS_MOST, items = 0;
	struct span item;
	size_t at = 0;

	if (value.len <= SHAPELESS_MAX || f->kind == JSON_KIND_SPAN || f->kind == JSON_KIND_RAW)
		return 0;
	if (type == SPAN_OBJECT || (type == SPAN_ARRAY && f->kind != JSON_KIND_STRINGS))
		return error_set(err, -EINVAL, "%s: is %s", f->name, type == SPAN_OBJECT ? "an object" : "a list");
	while (type == SPAN_ARRAY && items <= most && span_next_element(value, &at, &item))
		items++;
	return items > most ? error_set(err, -EINVAL, "%s: has more than %lld items", f->name, (long long)most) : 0;
}

/* What is told of unknown members are the first ones: a text full of them need not be decoded for that. */
static int check_members(const struct json_field *table, size_t count, struct span object, bool lax, struct error *err)
{
	size_t most = 2 * count + UNKNOWN_MOST, at = 0, members = 0; /* a field, and its other spelling */
	struct span key, value;

	while (span_next_member(object, &at, &key, &value)) {
		const struct json_field *f = find_field(table, count, key);

		if (f && check_shape(f, value, err) < 0)
			return err->code;
		if (!lax && ++members > most)
			return error_set(err, -EINVAL,
					 "has more than %zu members, and %zu are known; remove the others", most,
					 count);
	}
	return 0;
}

int json_table_read(const struct json_field *table, size_t count, struct span object, bool lax, void *data,
		    struct error *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(object.len + 8 * count + 8);
	json_auto_t *decoded = NULL;
	int r;

	if (!object.p)
		object = SPAN_LIT("{}");
	r = span_type(object) == SPAN_OBJECT ? check_members(table, count, object, lax, err) : 0;
	if (r == 0)
		r = cut_out(table, count, object, &text, err);
	if (r == 0)
		r = json_parse((const char *)buf_head(&text), text.len, &decoded, err);
	if (r == 0)
		r = json_table_decode(table, count, decoded, lax, data, err);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (table[i].kind == JSON_KIND_SPAN)
			*(struct span *)(void *)((char *)data + table[i].offset) = member_of(&table[i], object);
	return r;
}
