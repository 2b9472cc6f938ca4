/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/schema/node.h"

#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line a fault: where, what it is, what to write instead. */

static const char *const type_names[] = {"object", "array", "string", "number", "integer", "boolean", "null"};
static const char *const type_phrases[] = {"an object",  "an array",      "a string", "a number",
					   "an integer", "true or false", "null"};

/* "a string or null" / "string or null" */
static void put_types(unsigned types, const char *const names[7], char *text, size_t size)
{
	size_t n = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < 7 && n < size; i++)
		if (types & 1u << i)
			n += (size_t)snprintf(text + n, size - n, "%s%s", n ? " or " : "", names[i]);
}

/* Nobody wants to hear of another fault, so none is worked out. */
static bool told_enough(const struct schema_run *run)
{
	return !run->faults || run->fault_count >= SCHEMA_FAULTS_MAX;
}

bool fault_text(struct schema_run *run, const char *fmt, ...)
{
	char line[768];
	va_list ap;
	int n;

	if (told_enough(run))
		return false;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n = (int)span_utf8_floor(line, strlen(line));
	run->fault_count++;
	for (char *c = line; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	if (buf_printf(run->faults, "%s%.*s", run->faults->len ? "\n" : "", n, line) < 0)
		run->fault_count = SCHEMA_FAULTS_MAX;
	return false;
}

static const char *where(const struct schema_run *run)
{
	return run->path_len ? run->path : "arguments";
}

const char *fault_shown(struct span value, char text[80])
{
	size_t n = value.len <= 60 ? value.len : span_utf8_floor(value.p, 57);

	if (span_type(value) == SPAN_OBJECT || span_type(value) == SPAN_ARRAY)
		n = 0;
	snprintf(text, 80, "%.*s%s", (int)n, value.p, n && n < value.len ? "..." : "");
	return text;
}

/* Text that reads as a value of the wanted type: what to write. */
static bool unquotable(unsigned wanted, struct span value, struct span *ret)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span inside;

	if (span_type(value) != SPAN_STRING || value.len < 3 || memchr(value.p + 1, '\\', value.len - 2) ||
	    span_check(span_of(value.p + 1, value.len - 2), true, &inside, &err) < 0)
		return false;
	*ret = inside;
	return schema_types_of(inside) & wanted;
}

bool fault_type(struct schema_run *run, unsigned wanted, struct span value)
{
	char is[64], must[160], shown[80];
	struct span inside;

	if (told_enough(run))
		return false;
	fault_shown(value, shown);
	put_types(schema_types_of(value) & ~(unsigned)TYPE_INTEGER, *shown ? type_names : type_phrases, is, sizeof(is));
	put_types(wanted & TYPE_NUMBER ? wanted & ~(unsigned)TYPE_INTEGER : wanted, type_phrases, must, sizeof(must));
	if (unquotable(wanted, value, &inside))
		return fault_text(run, "%s: is %s (%s) but must be %s; write %.*s without quotes", where(run), shown,
				  is, must, inside.len > 60 ? 60 : (int)inside.len, inside.p);
	if ((wanted & TYPE_STRING) && (schema_types_of(value) & (TYPE_NUMBER | TYPE_BOOLEAN)))
		return fault_text(run, "%s: is %s (%s) but must be %s; write \"%s\"", where(run), shown, is, must,
				  shown);
	if (span_type(value) == SPAN_STRING && (wanted & (TYPE_OBJECT | TYPE_ARRAY)))
		return fault_text(run, "%s: is %s (%s) but must be %s; pass the value itself, not its text", where(run),
				  shown, is, must);
	if (*shown && span_type(value) != SPAN_NULL)
		return fault_text(run, "%s: is %s (%s) but must be %s", where(run), shown, is, must);
	return fault_text(run, "%s: is %s but must be %s", where(run), is, must);
}

static const struct schema_node *property_of(const struct schema_node *node, const char *name)
{
	for (size_t i = 0; i < node->property_count; i++)
		if (strcmp(node->properties[i].name, name) == 0)
			return node->properties[i].node;
	return NULL;
}

bool fault_missing(struct schema_run *run, const struct schema_node *node, const char *name)
{
	const struct schema_node *property;
	char types[160], hint[64];

	if (told_enough(run))
		return false;
	property = property_of(node, name);
	if (property && !property->types && property->ref)
		property = property->ref;
	put_types(property ? property->types : 0, type_names, types, sizeof(types));
	snprintf(hint, sizeof(hint), *types ? " (%s)" : "%s", types);
	return fault_text(run, "%s/%s: is missing; add it%s", run->path_len ? run->path : "", name, hint);
}

/* The property that was meant, or NULL; among very many nobody looks. */
static const char *nearest_property(struct schema_run *run, const struct schema_node *node, struct span key)
{
	_cleanup_free_ char *name = span_strdup(key, 256);
	const char *names[SCHEMA_NEAR_MAX + 1];

	if (!name || node->property_count > SCHEMA_NEAR_MAX || !schema_charge(run, node->property_count * 20))
		return NULL;
	for (size_t i = 0; i < node->property_count; i++)
		names[i] = node->properties[i].name;
	names[node->property_count] = NULL;
	return json_nearest(name, names);
}

bool fault_unknown(struct schema_run *run, const struct schema_node *node, struct span key)
{
	const char *what = run->path_len ? "property" : "argument", *near;
	char shown[80];

	if (told_enough(run))
		return false;
	near = nearest_property(run, node, key);
	fault_shown(key, shown);
	if (near)
		return fault_text(run, "%s%sunknown %s %s; did you mean \"%s\"?", run->path_len ? run->path : "",
				  run->path_len ? ": " : "", what, shown, near);
	return fault_text(run, "%s%sunknown %s %s; remove it", run->path_len ? run->path : "",
			  run->path_len ? ": " : "", what, shown);
}

bool fault_enum(struct schema_run *run, const struct schema_node *node, struct span value)
{
	char shown[80], known[400] = "", item_text[80];
	struct span item;
	size_t at = 0, n = 0;

	if (told_enough(run))
		return false;
	while (n < 300 && span_next_element(node->values, &at, &item))
		n += (size_t)snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "",
				      fault_shown(item, item_text));
	return fault_text(run, "%s: is %s but must be %s%s%s", where(run), fault_shown(value, shown),
			  strchr(known, ',') ? "one of " : "", known, n >= 300 ? ", ..." : "");
}

bool fault_limit(struct schema_run *run, struct span value, const char *must, struct span limit, const char *unit)
{
	char shown[80];

	fault_shown(value, shown);
	return fault_text(run, "%s: %s%s%smust %s %.*s%s", where(run), *shown ? "is " : "", shown,
			  *shown ? " but " : "", must, limit.len > 40 ? 40 : (int)limit.len, limit.p, unit);
}

/* ---- the path ---- */

static size_t push(struct schema_run *run, const char *text, size_t n)
{
	size_t before = run->path_len;

	if (run->path_len + n + 2 > sizeof(run->path))
		return before;
	run->path[run->path_len++] = '/';
	for (size_t i = 0; i < n && run->path_len + 3 < sizeof(run->path); i++) {
		if (text[i] == '~' || text[i] == '/') {
			run->path[run->path_len++] = '~';
			run->path[run->path_len++] = text[i] == '~' ? '0' : '1';
		} else {
			run->path[run->path_len++] = text[i];
		}
	}
	run->path[run->path_len] = '\0';
	return before;
}

size_t schema_path_key(struct schema_run *run, struct span key)
{
	return run->faults ? push(run, key.p + 1, key.len - 2) : run->path_len;
}

size_t schema_path_index(struct schema_run *run, size_t index)
{
	char text[24];
	int n;

	if (!run->faults)
		return run->path_len;
	n = snprintf(text, sizeof(text), "%zu", index);
	return push(run, text, (size_t)n);
}

void schema_path_pop(struct schema_run *run, size_t len)
{
	run->path_len = len;
	run->path[len] = '\0';
}
