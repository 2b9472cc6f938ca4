/* SPDX-License-Identifier: Apache-2.0 */
/* A one-line signature of a tool, for people and models: written from the raw schema, never executed. */
#include "broker/core/internal.h"

#include <string.h>

enum { SIGNATURE_ENUM_MAX = 6, SIGNATURE_DEPTH_MAX = 3, SIGNATURE_MEMBERS_MAX = 24 };

static int put_type(struct span schema, int depth, struct buf *out);

static bool is_required(struct span schema, struct span key)
{
	struct span list = span_member(schema, "required"), item;
	size_t at = 0;

	while (span_type(list) == SPAN_ARRAY && span_next_element(list, &at, &item))
		if (item.len == key.len && memcmp(item.p, key.p, key.len) == 0)
			return true;
	return false;
}

static int put_members(struct span schema, int depth, struct buf *out)
{
	struct span properties = span_member(schema, "properties"), key, value;
	size_t at = 0, count = 0;
	int r = buf_append_str(out, "{");

	while (r == 0 && span_type(properties) == SPAN_OBJECT && span_next_member(properties, &at, &key, &value)) {
		if (count == SIGNATURE_MEMBERS_MAX) {
			r = buf_append_str(out, ", ...");
			break;
		}
		r = buf_printf(out, "%s%.*s%s: ", count ? ", " : "", (int)(key.len - 2), key.p + 1,
			       is_required(schema, key) ? "" : "?");
		if (r == 0)
			r = put_type(value, depth + 1, out);
		count++;
	}
	return r ? r : buf_append_str(out, "}");
}

static int put_enum(struct span list, struct buf *out)
{
	struct span item;
	size_t at = 0, count = 0;
	int r = 0;

	while (r == 0 && span_next_element(list, &at, &item)) {
		if (count == SIGNATURE_ENUM_MAX)
			return buf_append_str(out, "|...");
		r = buf_printf(out, "%s%.*s", count++ ? "|" : "", (int)item.len, item.p);
	}
	return r;
}

static int put_type(struct span schema, int depth, struct buf *out)
{
	struct span type = span_member(schema, "type"), values = span_member(schema, "enum");
	_cleanup_free_ char *name = NULL;
	int r;

	if (span_type(values) == SPAN_ARRAY)
		return put_enum(values, out);
	name = span_strdup(type, 32);
	if (!name)
		return buf_append_str(out, "any");
	if (strcmp(name, "object") == 0 && depth < SIGNATURE_DEPTH_MAX && span_member(schema, "properties").p)
		return put_members(schema, depth, out);
	if (strcmp(name, "array") == 0 && depth < SIGNATURE_DEPTH_MAX && span_member(schema, "items").p) {
		r = put_type(span_member(schema, "items"), depth + 1, out);
		return r ? r : buf_append_str(out, "[]");
	}
	return buf_append_str(out, name);
}

int signature_of(const char *server_id, const char *tool_id, struct span input_schema, struct buf *out)
{
	int r = buf_printf(out, "%s.%s(", server_id, tool_id);

	if (r == 0 && span_type(span_member(input_schema, "properties")) == SPAN_OBJECT)
		r = put_members(input_schema, 0, out);
	return r ? r : buf_append_str(out, ")");
}
