/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/schema/node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Text -> nodes, driven by one table of keywords. What a keyword does not understand it leaves out: a schema that is
 * odd must not make its tool unusable. $ref are resolved behind the first pass by a list, so that no chain of them
 * recurses.
 */
struct compile {
	struct schema *schema;
	int code; /* -E2BIG, -ENOMEM */
};

static struct schema_node *compile_node(struct compile *c, struct span text);

static void *room(struct compile *c, size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		c->code = -ENOMEM;
	return p;
}

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

static void read_type(struct compile *c, struct schema_node *node, struct span value)
{
	struct span item;
	size_t at = 0;

	if (span_type(value) == SPAN_STRING)
		node->types = type_bit(value);
	while (span_next_element(value, &at, &item))
		node->types |= type_bit(item);
}

static void read_strings(struct compile *c, struct span array, struct schema_strings *ret)
{
	struct span item;
	size_t at = 0;

	if (ret->items || !(ret->items = room(c, count_elements(array), sizeof(*ret->items))))
		return;
	while (span_next_element(array, &at, &item)) {
		char *text = span_strdup(item, SCHEMA_TEXT_MAX);

		if (text)
			ret->items[ret->count++] = text;
	}
}

static void read_required(struct compile *c, struct schema_node *node, struct span value)
{
	read_strings(c, value, &node->required);
}

static void read_nodes(struct compile *c, struct span array, struct schema_nodes *ret)
{
	struct span item;
	size_t at = 0;

	if (ret->items || !(ret->items = room(c, count_elements(array), sizeof(struct schema_node *))))
		return;
	while (span_next_element(array, &at, &item)) {
		struct schema_node *node = compile_node(c, item);

		if (node)
			ret->items[ret->count++] = node;
	}
}

static void read_all(struct compile *c, struct schema_node *node, struct span value)
{
	read_nodes(c, value, &node->all);
}
static void read_any(struct compile *c, struct schema_node *node, struct span value)
{
	read_nodes(c, value, &node->any);
}
static void read_one(struct compile *c, struct schema_node *node, struct span value)
{
	read_nodes(c, value, &node->one);
}
static void read_prefix(struct compile *c, struct schema_node *node, struct span value)
{
	read_nodes(c, value, &node->prefix);
}

/* An array here is the draft-07 spelling of prefixItems, with additionalItems for the rest. */
static void read_items(struct compile *c, struct schema_node *node, struct span value)
{
	if (span_type(value) == SPAN_ARRAY)
		read_nodes(c, value, &node->prefix);
	else
		node->items = compile_node(c, value);
}

static void read_additional_items(struct compile *c, struct schema_node *node, struct span value)
{
	node->rest = compile_node(c, value);
}

static void read_properties(struct compile *c, struct schema_node *node, struct span value)
{
	struct span key, item;
	size_t at = 0;

	if (node->properties || !(node->properties = room(c, count_members(value), sizeof(*node->properties))))
		return;
	while (span_next_member(value, &at, &key, &item)) {
		struct schema_property *property = &node->properties[node->property_count];

		property->name = span_strdup(key, SCHEMA_TEXT_MAX);
		property->node = compile_node(c, item);
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

static void read_pattern(struct compile *c, struct schema_node *node, struct span value)
{
	if (!node->pattern.source)
		compile_pattern(&node->pattern, value);
}

static void read_patterns(struct compile *c, struct schema_node *node, struct span value)
{
	struct span key, item;
	size_t at = 0;

	if (node->patterns || !(node->patterns = room(c, count_members(value), sizeof(*node->patterns))))
		return;
	while (span_next_member(value, &at, &key, &item)) {
		struct schema_pattern *pattern = &node->patterns[node->pattern_count++];

		compile_pattern(pattern, key);
		pattern->node = compile_node(c, item);
	}
}

/* dependentRequired, dependentSchemas, and dependencies of draft-07, which is either. */
static void read_dependents(struct compile *c, struct schema_node *node, struct span value)
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
			d.node = compile_node(c, item);
		node->dependents[node->dependent_count++] = d;
	}
}

/* Draft-04 says exclusiveMinimum: true beside minimum. */
static void read_above(struct compile *c, struct schema_node *node, struct span value)
{
	node->above = span_type(value) == SPAN_NUMBER ? value : node->above;
}
static void read_below(struct compile *c, struct schema_node *node, struct span value)
{
	node->below = span_type(value) == SPAN_NUMBER ? value : node->below;
}

static void read_unique(struct compile *c, struct schema_node *node, struct span value)
{
	node->unique = span_type(value) == SPAN_TRUE;
}

/* How a keyword is read: as a number's text, any value's text, a schema, or by a function. */
enum keyword_kind { KEYWORD_NUMBER, KEYWORD_TEXT, KEYWORD_NODE, KEYWORD_CALL };
struct keyword {
	const char *name;
	enum keyword_kind kind;
	size_t offset;
	void (*read)(struct compile *c, struct schema_node *node, struct span value);
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

static void read_keyword(struct compile *c, struct schema_node *node, const struct keyword *k, struct span value)
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
		*(struct schema_node **)field = compile_node(c, value);
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

static struct schema_node *compile_node(struct compile *c, struct span text)
{
	struct span key, value;
	struct schema_node *node;
	size_t at = 0;

	if (c->schema->node_count >= SCHEMA_NODES_MAX)
		c->code = -E2BIG;
	if (c->code < 0 || !(node = room(c, 1, sizeof(*node))))
		return NULL;
	node->at = text.p;
	node->never = span_type(text) == SPAN_FALSE;
	node->next = c->schema->nodes;
	c->schema->nodes = node;
	c->schema->node_count++;
	while (span_next_member(text, &at, &key, &value))
		for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
			if (span_string_equals(key, keywords[i].name))
				read_keyword(c, node, &keywords[i], value);
	finish_node(node, text);
	return node;
}

/* ---- $ref ---- */

/* "#/a/%25b" -> "/a/%b"; false: not a pointer into this document. */
static bool local_pointer(char *ref)
{
	char *out = ref;

	if (ref[0] != '#' || (ref[1] && ref[1] != '/'))
		return false;
	for (const char *p = ref + 1; *p; p++) {
		unsigned byte;

		if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1 && byte && strlen(p) >= 3) {
			*out++ = (char)byte;
			p += 2;
		} else {
			*out++ = *p;
		}
	}
	*out = '\0';
	return true;
}

struct known {
	const char *at;
	struct schema_node *node;
};
struct refs {
	struct known *items;
	size_t count, cap;
};

static struct schema_node *target_of(struct compile *c, struct refs *refs, struct span text)
{
	struct schema_node *node;

	for (size_t i = 0; i < refs->count; i++)
		if (refs->items[i].at == text.p)
			return refs->items[i].node;
	if (refs->count >= SCHEMA_TARGETS_MAX)
		c->code = -E2BIG;
	if (c->code < 0)
		return NULL;
	if (refs->count == refs->cap) {
		struct known *items = realloc(refs->items, (refs->cap + 64) * sizeof(*items));

		if (!items) {
			c->code = -ENOMEM;
			return NULL;
		}
		refs->items = items;
		refs->cap += 64;
	}
	node = compile_node(c, text);
	refs->items[refs->count++] = (struct known){text.p, node};
	return node;
}

/* Compiling a target may add nodes in front of the list; they are looked at in the next round. */
static void resolve_refs(struct compile *c)
{
	struct refs refs = {.items = NULL};
	struct schema_node *done = NULL;
	size_t looked = 0; /* bytes gone through to find targets, at most */

	while (c->schema->nodes != done && c->code == 0) {
		struct schema_node *first = c->schema->nodes;

		for (struct schema_node *node = first; node != done && c->code == 0; node = node->next) {
			_cleanup_free_ char *ref = node->ref_text.p ? span_strdup(node->ref_text, 4096) : NULL;
			struct span target =
				ref && local_pointer(ref) ? span_pointer(c->schema->whole, ref) : SPAN_NONE;

			looked += ref ? c->schema->whole.len : 0;
			if (looked > SCHEMA_LOOKED_MAX)
				c->code = -E2BIG;
			if (target.p && c->code == 0)
				node->ref =
					target.p == c->schema->whole.p ? c->schema->root : target_of(c, &refs, target);
		}
		done = first;
	}
	free(refs.items);
}

int schema_compile(struct span text, struct schema **ret, struct error *err)
{
	struct schema *s;
	struct compile c = {0};
	int r;

	if (text.len > SCHEMA_TEXT_MAX)
		return error_set(err, -E2BIG, "the schema has %zu bytes, over %d", text.len, SCHEMA_TEXT_MAX);
	s = calloc(1, sizeof(*s));
	if (!s || !(s->text = malloc(text.len + 1))) {
		schema_free(s);
		return error_set(err, -ENOMEM, "no memory for a schema");
	}
	memcpy(s->text, text.p ? text.p : "", text.len);
	r = span_check(span_of(s->text, text.len), false, &s->whole, err);
	if (r < 0) {
		schema_free(s);
		return error_wrap(err, "the schema is not JSON");
	}
	c.schema = s;
	s->root = compile_node(&c, s->whole);
	resolve_refs(&c);
	if (c.code < 0) {
		schema_free(s);
		return error_set(err, c.code,
				 c.code == -E2BIG ? "the schema has too many parts" : "no memory for a schema");
	}
	*ret = s;
	return 0;
}

static void free_strings(struct schema_strings *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->items[i]);
	free(s->items);
}

static void free_pattern(struct schema_pattern *p)
{
	free(p->source);
	pcre2_code_free(p->code);
}

static void free_node(struct schema_node *node)
{
	for (size_t i = 0; i < node->property_count; i++)
		free(node->properties[i].name);
	for (size_t i = 0; i < node->pattern_count; i++)
		free_pattern(&node->patterns[i]);
	for (size_t i = 0; i < node->dependent_count; i++) {
		free(node->dependents[i].name);
		free_strings(&node->dependents[i].names);
	}
	free(node->properties);
	free(node->patterns);
	free(node->dependents);
	free_strings(&node->required);
	free_pattern(&node->pattern);
	free(node->prefix.items);
	free(node->all.items);
	free(node->any.items);
	free(node->one.items);
	free(node);
}

struct schema *schema_free(struct schema *s)
{
	if (!s)
		return NULL;
	while (s->nodes) {
		struct schema_node *next = s->nodes->next;

		free_node(s->nodes);
		s->nodes = next;
	}
	free(s->text);
	free(s);
	return NULL;
}
