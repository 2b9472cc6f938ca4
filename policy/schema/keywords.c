/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each keyword means for a node, by one table. What a keyword does not understand it leaves out: a schema that is
 * odd must not make its tool unusable.
 */
#include "policy/schema/compile.h"

#include <errno.h>
#include <string.h>

static size_t count_members(struct span object)
{
	struct span key, value;
	size_t at = 0, n = 0;

	while (span_next_member(object, &at, &key, &value))
		n++;
	return n;
}

static size_t count_elements(struct span array)
{
	struct span value;
	size_t at = 0, n = 0;

	while (span_next_element(array, &at, &value))
		n++;
	return n;
}

static unsigned type_bit(struct span name)
{
	static const char *const names[] = {"object", "array", "string", "number", "integer", "boolean", "null"};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (span_string_equals(name, names[i]))
			return 1u << i;
	return 0;
}

static void read_type(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	struct span item;
	size_t at = 0;

	if (span_type(value) == SPAN_STRING)
		node->types = type_bit(value);
	while (span_next_element(value, &at, &item))
		node->types |= type_bit(item);
}

static void read_strings(struct schema_compiler *c, struct span array, struct schema_strings *ret)
{
	struct span item;
	size_t at = 0;

	if (ret->items || !(ret->items = schema_room(c, count_elements(array), sizeof(*ret->items))))
		return;
	while (span_next_element(array, &at, &item)) {
		char *text = span_strdup(item, SCHEMA_TEXT_MAX);

		if (text)
			ret->items[ret->count++] = text;
	}
}

static void read_required(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	read_strings(c, value, &node->required);
}

static void read_nodes(struct schema_compiler *c, struct span array, struct schema_nodes *ret)
{
	struct span item;
	size_t at = 0;

	if (ret->items || !(ret->items = schema_room(c, count_elements(array), sizeof(struct schema_node *))))
		return;
	while (span_next_element(array, &at, &item)) {
		struct schema_node *node = schema_compile_node(c, item);

		if (node)
			ret->items[ret->count++] = node;
	}
}

static void read_all(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	read_nodes(c, value, &node->all);
}
static void read_any(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	read_nodes(c, value, &node->any);
}
static void read_one(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	read_nodes(c, value, &node->one);
}
static void read_prefix(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	read_nodes(c, value, &node->prefix);
}

/* An array here is the draft-07 spelling of prefixItems, with additionalItems for the rest. */
static void read_items(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	if (span_type(value) == SPAN_ARRAY)
		read_nodes(c, value, &node->prefix);
	else
		node->items = schema_compile_node(c, value);
}

static void read_additional_items(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	node->rest = schema_compile_node(c, value);
}

static void read_properties(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	struct span key, item;
	size_t at = 0;

	if (node->properties || !(node->properties = schema_room(c, count_members(value), sizeof(*node->properties))))
		return;
	while (span_next_member(value, &at, &key, &item)) {
		struct schema_property *property = &node->properties[node->property_count];

		property->name = span_strdup(key, SCHEMA_TEXT_MAX);
		property->node = schema_compile_node(c, item);
		if (property->name)
			node->property_count++;
	}
}

static void compile_pattern(struct schema_pattern *pattern, struct span source)
{
	uint32_t options =
		PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C;
	PCRE2_SIZE where;
	int fault;

	pattern->source = span_strdup(source, 64 << 10);
	if (pattern->source)
		pattern->code = pcre2_compile((PCRE2_SPTR)pattern->source, PCRE2_ZERO_TERMINATED, options, &fault,
					      &where, NULL);
}

static void read_pattern(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	if (!node->pattern.source)
		compile_pattern(&node->pattern, value);
}

static void read_patterns(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	struct span key, item;
	size_t at = 0;

	if (node->patterns || !(node->patterns = schema_room(c, count_members(value), sizeof(*node->patterns))))
		return;
	while (span_next_member(value, &at, &key, &item)) {
		struct schema_pattern *pattern = &node->patterns[node->pattern_count++];

		compile_pattern(pattern, key);
		pattern->node = schema_compile_node(c, item);
	}
}

/* dependentRequired, dependentSchemas, and dependencies of draft-07, which is either. */
static void read_dependents(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	size_t at = 0, more = count_members(value);
	struct schema_dependent *items = realloc(node->dependents, (node->dependent_count + more + 1) * sizeof(*items));
	struct span key, item;

	if (!items) {
		c->code = -ENOMEM;
		return;
	}
	node->dependents = items;
	while (span_next_member(value, &at, &key, &item)) {
		struct schema_dependent d = {.name = span_strdup(key, SCHEMA_TEXT_MAX)};

		if (!d.name)
			continue;
		if (span_type(item) == SPAN_ARRAY)
			read_strings(c, item, &d.names);
		else
			d.node = schema_compile_node(c, item);
		node->dependents[node->dependent_count++] = d;
	}
}

/* Draft-04 says exclusiveMinimum: true beside minimum. */
static void read_above(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	node->above = span_type(value) == SPAN_NUMBER ? value : node->above;
}
static void read_below(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	node->below = span_type(value) == SPAN_NUMBER ? value : node->below;
}

static void read_unique(struct schema_compiler *c, struct schema_node *node, struct span value)
{
	node->unique = span_type(value) == SPAN_TRUE;
}

/* How a keyword is read: as a number's text, any value's text, a schema, or by a function. */
enum keyword_kind { KEYWORD_NUMBER, KEYWORD_TEXT, KEYWORD_NODE, KEYWORD_CALL };
struct keyword {
	const char *name;
	enum keyword_kind kind;
	size_t offset;
	void (*read)(struct schema_compiler *c, struct schema_node *node, struct span value);
};
#define NUMBER(name, field)                                                     \
	{                                                                       \
		name, KEYWORD_NUMBER, offsetof(struct schema_node, field), NULL \
	}
#define TEXT(name, field)                                                     \
	{                                                                     \
		name, KEYWORD_TEXT, offsetof(struct schema_node, field), NULL \
	}
#define NODE(name, field)                                                     \
	{                                                                     \
		name, KEYWORD_NODE, offsetof(struct schema_node, field), NULL \
	}
#define CALL(name, function)                    \
	{                                       \
		name, KEYWORD_CALL, 0, function \
	}

static const struct keyword keywords[] = {
	CALL("type", read_type),
	CALL("properties", read_properties),
	CALL("required", read_required),
	CALL("items", read_items),
	CALL("allOf", read_all),
	CALL("anyOf", read_any),
	CALL("oneOf", read_one),
	CALL("prefixItems", read_prefix),
	CALL("pattern", read_pattern),
	CALL("patternProperties", read_patterns),
	CALL("dependentRequired", read_dependents),
	CALL("dependentSchemas", read_dependents),
	CALL("dependencies", read_dependents),
	CALL("exclusiveMinimum", read_above),
	CALL("exclusiveMaximum", read_below),
	CALL("uniqueItems", read_unique),
	TEXT("enum", values),
	TEXT("const", constant),
	TEXT("$ref", ref_text),
	NODE("additionalProperties", additional),
	CALL("additionalItems", read_additional_items),
	NODE("propertyNames", names),
	NODE("contains", contains),
	NODE("not", not_),
	NODE("if", if_),
	NODE("then", then_),
	NODE("else", else_),
	NUMBER("minProperties", min_properties),
	NUMBER("maxProperties", max_properties),
	NUMBER("minItems", min_items),
	NUMBER("maxItems", max_items),
	NUMBER("minContains", min_contains),
	NUMBER("maxContains", max_contains),
	NUMBER("minLength", min_length),
	NUMBER("maxLength", max_length),
	NUMBER("minimum", minimum),
	NUMBER("maximum", maximum),
	NUMBER("multipleOf", multiple),
};

static void read_keyword(struct schema_compiler *c, struct schema_node *node, const struct keyword *k,
			 struct span value)
{
	void *field = (char *)node + k->offset;

	switch (k->kind) {
	case KEYWORD_NUMBER:
		if (span_type(value) == SPAN_NUMBER)
			*(struct span *)field = value;
		return;
	case KEYWORD_TEXT:
		*(struct span *)field = value;
		return;
	case KEYWORD_NODE:
		*(struct schema_node **)field = schema_compile_node(c, value);
		return;
	case KEYWORD_CALL:
		k->read(c, node, value);
		return;
	}
}

static void finish_node(struct schema_node *node, struct span text)
{
	/* additionalItems means something only beside a list of items. */
	if (!node->items && span_type(span_member(text, "items")) == SPAN_ARRAY)
		node->items = node->rest;
	if (span_type(span_member(text, "exclusiveMinimum")) == SPAN_TRUE) {
		node->above = node->minimum;
		node->minimum = SPAN_NONE;
	}
	if (span_type(span_member(text, "exclusiveMaximum")) == SPAN_TRUE) {
		node->below = node->maximum;
		node->maximum = SPAN_NONE;
	}
}

void schema_read_keywords(struct schema_compiler *c, struct schema_node *node, struct span text)
{
	struct span key, value;
	size_t at = 0;

	while (span_next_member(text, &at, &key, &value))
		for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
			if (span_string_equals(key, keywords[i].name))
				read_keyword(c, node, &keywords[i], value);
	finish_node(node, text);
}
