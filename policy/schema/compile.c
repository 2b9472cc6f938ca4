/* SPDX-License-Identifier: Apache-2.0 */
/* A schema's text becomes a graph of nodes. */
#include "policy/schema/compile.h"

#include <errno.h>
#include <string.h>

void *schema_room(struct schema_compiler *c, size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		c->code = -ENOMEM;
	return p;
}

struct schema_node *schema_compile_node(struct schema_compiler *c, struct span text)
{
	struct schema_node *node;

	if (c->schema->node_count >= SCHEMA_NODES_MAX)
		c->code = -E2BIG;
	if (c->code < 0 || !(node = schema_room(c, 1, sizeof(*node))))
		return NULL;
	node->at = text.p;
	node->never = span_type(text) == SPAN_FALSE;
	node->next = c->schema->nodes;
	c->schema->nodes = node;
	c->schema->node_count++;
	schema_read_keywords(c, node, text);
	return node;
}

int schema_compile(struct span text, struct schema **ret, struct error *err)
{
	struct schema *s;
	struct schema_compiler c = {0};
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
	s->root = schema_compile_node(&c, s->whole);
	schema_resolve_refs(&c);
	if (c.code < 0) {
		schema_free(s);
		return error_set(err, c.code,
				 c.code == -E2BIG ? "the schema has too many parts" : "no memory for a schema");
	}
	*ret = s;
	return 0;
}

/* ---- memory ---- */

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
