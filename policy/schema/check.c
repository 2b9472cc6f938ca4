/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/schema/node.h"
#include "policy/schema/number.h"

#include <stdio.h>
#include <string.h>

/*
 * A node against a value. Every function says whether it fits and goes on after a fault, so that one answer names them
 * all. Time is counted in steps, recursion in depth; what exceeds either does not fit, and says so.
 */

bool schema_quiet(struct schema_run *run, const struct schema_node *node, struct span value)
{
	struct buf *faults = run->faults;
	bool fits;

	run->faults = NULL;
	fits = schema_node_check(run, node, value);
	run->faults = faults;
	return fits;
}

static bool check_number(struct schema_run *run, const struct schema_node *node, struct span value)
{
	bool fits = true;

	if (!schema_charge(run, value.len >> 4))
		return false;
	if (node->minimum.p && number_compare(value, node->minimum) < 0)
		fits = fault_limit(run, value, "be at least", node->minimum, "");
	if (node->maximum.p && number_compare(value, node->maximum) > 0)
		fits = fault_limit(run, value, "be at most", node->maximum, "");
	if (node->above.p && number_compare(value, node->above) <= 0)
		fits = fault_limit(run, value, "be over", node->above, "");
	if (node->below.p && number_compare(value, node->below) >= 0)
		fits = fault_limit(run, value, "be under", node->below, "");
	if (node->multiple.p && !number_is_multiple(value, node->multiple))
		fits = fault_limit(run, value, "be a multiple of", node->multiple, "");
	return fits;
}

/* Characters (code points) of a literal; an escaped pair of surrogates is one. */
static size_t count_characters(struct span literal)
{
	_cleanup_buf_ struct buf text = BUF_INIT(literal.len);
	const uint8_t *p = (const uint8_t *)literal.p + 1;
	size_t n = literal.len - 2, count = 0;

	if (memchr(p, '\\', n)) {
		if (span_string(literal, &text) < 0 || text.len == 0)
			return 0;
		p = buf_head(&text);
		n = text.len;
	}
	for (size_t i = 0; i < n; i++)
		count += (p[i] & 0xc0) != 0x80;
	return count;
}

static bool check_string(struct schema_run *run, const struct schema_node *node, struct span value)
{
	bool fits = true;
	char shown[80];

	if (node->min_length.p || node->max_length.p) {
		struct span length;
		char text[24];

		if (!schema_charge(run, schema_walk_steps(value)))
			return false;
		length = span_of(text, (size_t)snprintf(text, sizeof(text), "%zu", count_characters(value)));
		if (node->min_length.p && number_compare(length, node->min_length) < 0)
			fits = fault_limit(run, value, "have at least", node->min_length, " characters");
		if (node->max_length.p && number_compare(length, node->max_length) > 0)
			fits = fault_limit(run, value, "have at most", node->max_length, " characters");
	}
	if (node->pattern.source && !schema_pattern_matches(run, &node->pattern, value))
		fits = fault_text(run, "%s: is %s but must match the pattern %.200s",
				  run->path_len ? run->path : "arguments", fault_shown(value, shown),
				  node->pattern.source);
	return fits;
}

static bool check_values(struct schema_run *run, const struct schema_node *node, struct span value)
{
	struct span item;
	size_t at = 0;
	char shown[80], wanted[80];

	if (node->constant.p && !schema_same(run, value, node->constant))
		return fault_text(run, "%s: is %s but must be %s", run->path_len ? run->path : "arguments",
				  fault_shown(value, shown), fault_shown(node->constant, wanted));
	if (span_type(node->values) != SPAN_ARRAY)
		return true;
	while (span_next_element(node->values, &at, &item) && schema_charge(run, schema_walk_steps(item)))
		if (schema_same(run, value, item))
			return true;
	return fault_enum(run, node, value);
}

/* None of several forms fits: speak about the only one whose type does, else name the types. */
static bool fault_any(struct schema_run *run, const struct schema_nodes *forms, struct span value)
{
	const struct schema_node *near = NULL;
	unsigned types = 0, is = schema_types_of(value);
	bool typed = true;

	if (!run->faults)
		return false;
	for (size_t i = 0; i < forms->count; i++) {
		const struct schema_node *form = forms->items[i];

		if (!form->types && form->ref)
			form = form->ref;
		types |= form->types;
		typed = typed && form->types;
		if (!near && (!form->types || (form->types & is)))
			near = forms->items[i];
	}
	if (typed && !(types & is))
		return fault_type(run, types, value);
	if (near)
		schema_node_check(run, near, value);
	return fault_text(run, "%s: fits none of the %zu forms that are allowed",
			  run->path_len ? run->path : "arguments", forms->count);
}

static bool check_forms(struct schema_run *run, const struct schema_node *node, struct span value)
{
	bool fits = true, found = false;
	size_t matches = 0;

	for (size_t i = 0; i < node->all.count; i++)
		fits = schema_node_check(run, node->all.items[i], value) && fits;
	for (size_t i = 0; i < node->any.count && !found; i++)
		found = schema_quiet(run, node->any.items[i], value);
	if (node->any.items && node->any.count && !found)
		fits = fault_any(run, &node->any, value);
	for (size_t i = 0; i < node->one.count; i++)
		matches += schema_quiet(run, node->one.items[i], value);
	if (node->one.count && matches == 0)
		fits = fault_any(run, &node->one, value);
	if (matches > 1)
		fits = fault_text(run, "%s: fits %zu forms of which exactly one is allowed",
				  run->path_len ? run->path : "arguments", matches);
	if (node->not_ && schema_quiet(run, node->not_, value))
		fits = fault_text(run, "%s: has a form that is not allowed", run->path_len ? run->path : "arguments");
	return fits;
}

static bool check_condition(struct schema_run *run, const struct schema_node *node, struct span value)
{
	const struct schema_node *then;

	if (!node->if_)
		return true;
	then = schema_quiet(run, node->if_, value) ? node->then_ : node->else_;
	return !then || schema_node_check(run, then, value);
}

static bool check_by_type(struct schema_run *run, const struct schema_node *node, struct span value)
{
	switch (span_type(value)) {
	case SPAN_OBJECT:
		return schema_object_check(run, node, value);
	case SPAN_ARRAY:
		return schema_array_check(run, node, value);
	case SPAN_STRING:
		return check_string(run, node, value);
	case SPAN_NUMBER:
		return check_number(run, node, value);
	case SPAN_TRUE:
	case SPAN_FALSE:
	case SPAN_NULL:
	case SPAN_INVALID:
		break;
	}
	return true;
}

bool schema_node_check(struct schema_run *run, const struct schema_node *node, struct span value)
{
	bool fits = true;

	if (node->never)
		return fault_text(run, "%s: is not allowed", run->path_len ? run->path : "arguments");
	if (!schema_charge(run, schema_walk_steps(value)))
		return false;
	if (run->depth >= SCHEMA_DEPTH_MAX) {
		run->exhausted = true;
		return false;
	}
	run->depth++;
	if (node->ref)
		fits = schema_node_check(run, node->ref, value);
	if (node->types && !(schema_types_of(value) & node->types)) {
		fits = fault_type(run, node->types, value);
	} else {
		fits = check_values(run, node, value) && fits;
		fits = check_by_type(run, node, value) && fits;
	}
	fits = check_forms(run, node, value) && fits;
	fits = check_condition(run, node, value) && fits;
	run->depth--;
	return fits;
}

static uint64_t full_steps(struct span value)
{
	uint64_t steps = SCHEMA_STEPS_LEAST + (uint64_t)value.len * SCHEMA_STEPS_BYTE;

	return steps < SCHEMA_STEPS_MAX ? steps : SCHEMA_STEPS_MAX;
}

enum schema_answer schema_check_brief(const struct schema *s, struct span value, struct buf *faults)
{
	struct schema_run run = {.faults = faults, .steps_max = SCHEMA_STEPS_BRIEF, .brief = true};
	bool fits = schema_node_check(&run, s->root, value);

	if (!run.exhausted)
		return fits ? SCHEMA_FITS : SCHEMA_DIFFERS;
	buf_clear(faults);
	return SCHEMA_UNDECIDED;
}

bool schema_check(const struct schema *s, struct span value, struct buf *faults)
{
	struct schema_run run = {.faults = faults, .steps_max = full_steps(value)};
	bool fits = schema_node_check(&run, s->root, value);

	if (!run.exhausted)
		return fits;
	run.fault_count = 0;
	return fault_text(&run, "arguments: are too much to check against the tool's schema; send less at once");
}
