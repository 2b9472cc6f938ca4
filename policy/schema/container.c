/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/schema/node.h"
#include "policy/schema/number.h"

#include <stdio.h>
#include <string.h>

/* Objects and arrays. */

static bool within(struct schema_run *run, size_t count, struct span least, struct span most, const char *unit)
{
	char text[24];
	struct span number = span_of(text, (size_t)snprintf(text, sizeof(text), "%zu", count));
	bool fits = true;

	if (least.p && number_compare(number, least) < 0)
		fits = fault_limit(run, SPAN_LIT("{}"), "have at least", least, unit);
	if (most.p && number_compare(number, most) > 0)
		fits = fault_limit(run, SPAN_LIT("{}"), "have at most", most, unit);
	return fits;
}

/* A member is judged by its property, by each pattern, else by additionalProperties. */
static bool check_member(struct schema_run *run, const struct schema_node *node, struct span key, struct span value)
{
	bool fits = true, known = false;
	size_t path = schema_path_key(run, key);

	schema_charge(run, (1 + node->property_count / 8) * schema_walk_steps(key) + (value.len >> 6));
	for (size_t i = 0; i < node->property_count; i++) {
		if (!span_string_equals(key, node->properties[i].name))
			continue;
		known = true;
		fits = schema_node_check(run, node->properties[i].node, value) && fits;
	}
	for (size_t i = 0; i < node->pattern_count && !run->exhausted; i++) {
		if (!schema_pattern_matches(run, &node->patterns[i], key))
			continue;
		known = true;
		fits = schema_node_check(run, node->patterns[i].node, value) && fits;
	}
	if (!known && node->additional && !node->additional->never)
		fits = schema_node_check(run, node->additional, value) && fits;
	schema_path_pop(run, path);
	if (!known && node->additional && node->additional->never)
		fits = fault_unknown(run, node, key);
	if (node->names && !schema_quiet(run, node->names, key))
		fits = fault_text(run, "%s: the name %.*s is not allowed", run->path_len ? run->path : "arguments",
				  key.len > 60 ? 60 : (int)key.len, key.p);
	return fits;
}

static bool check_required(struct schema_run *run, const struct schema_node *node, const struct schema_strings *names,
			   struct span value, size_t members)
{
	uint64_t steps = members + schema_walk_steps(value);
	bool fits = true;

	for (size_t i = 0; i < names->count && schema_charge(run, steps); i++)
		if (!span_member(value, names->items[i]).p)
			fits = fault_missing(run, node, names->items[i]);
	return fits;
}

static bool check_dependents(struct schema_run *run, const struct schema_node *node, struct span value, size_t members)
{
	uint64_t steps = members + schema_walk_steps(value);
	bool fits = true;

	for (size_t i = 0; i < node->dependent_count && schema_charge(run, steps); i++) {
		const struct schema_dependent *d = &node->dependents[i];

		if (!span_member(value, d->name).p)
			continue;
		fits = check_required(run, node, &d->names, value, members) && fits;
		if (d->node)
			fits = schema_node_check(run, d->node, value) && fits;
	}
	return fits;
}

bool schema_object_check(struct schema_run *run, const struct schema_node *node, struct span value)
{
	struct span key, item;
	size_t at = 0, count = 0;
	bool fits = true;

	while (!run->exhausted && span_next_member(value, &at, &key, &item)) {
		fits = check_member(run, node, key, item) && fits;
		count++;
	}
	fits = check_required(run, node, &node->required, value, count) && fits;
	fits = check_dependents(run, node, value, count) && fits;
	return within(run, count, node->min_properties, node->max_properties, " properties") && fits;
}

/* ---- arrays ---- */

struct hashed {
	uint64_t hash;
	struct span value;
};

/* Equal values have equal hashes; unequal ones mostly not. Containers count by their size only. */
static uint64_t rough_hash(struct span value)
{
	uint64_t hash = 14695981039346656037u + (uint64_t)span_type(value);
	size_t at = 0;
	struct span key, item;

	if (span_type(value) == SPAN_NUMBER) {
		double number = span_double(value);

		number = number == 0 ? 0 : number;
		memcpy(&hash, &number, sizeof(hash));
		return hash * 1099511628211u;
	}
	if (span_type(value) == SPAN_STRING) {
		if (memchr(value.p, '\\', value.len)) {
			_cleanup_buf_ struct buf text = BUF_INIT(value.len);

			if (span_string(value, &text) < 0)
				return hash;
			for (size_t i = 0; i < text.len; i++)
				hash = (hash ^ buf_head(&text)[i]) * 1099511628211u;
			return hash;
		}
		for (size_t i = 1; i + 1 < value.len; i++)
			hash = (hash ^ (uint8_t)value.p[i]) * 1099511628211u;
		return hash;
	}
	while (span_next_element(value, &at, &item))
		hash = hash * 31 + rough_hash(item);
	while (span_next_member(value, &at, &key, &item))
		hash += rough_hash(key) * 31 + rough_hash(item);
	return hash;
}

static int by_hash(const void *a, const void *b)
{
	const struct hashed *x = a, *y = b;

	return (x->hash > y->hash) - (x->hash < y->hash);
}

static bool is_unique(struct schema_run *run, struct span array, size_t count)
{
	_cleanup_free_ struct hashed *items = NULL;
	struct span value;
	size_t at = 0, n = 0;

	if (count < 2)
		return true;
	if (!schema_charge(run, count * 16 + (array.len >> 3)) || !(items = calloc(count, sizeof(*items)))) {
		run->exhausted = true;
		return false;
	}
	while (n < count && span_next_element(array, &at, &value))
		items[n++] = (struct hashed){rough_hash(value), value};
	qsort(items, n, sizeof(*items), by_hash);
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n && items[k].hash == items[i].hash; k++)
			if (schema_same(run, items[i].value, items[k].value) || run->exhausted)
				return false;
	return true;
}

static bool check_contains(struct schema_run *run, const struct schema_node *node, size_t matches)
{
	struct span least = node->min_contains.p ? node->min_contains : SPAN_LIT("1");

	return within(run, matches, least, node->max_contains, " items of the kind that it must contain");
}

bool schema_array_check(struct schema_run *run, const struct schema_node *node, struct span value)
{
	size_t at = 0, count = 0, matches = 0;
	struct span item;
	bool fits = true;

	while (!run->exhausted && span_next_element(value, &at, &item)) {
		const struct schema_node *judge = count < node->prefix.count ? node->prefix.items[count] : node->items;
		size_t path = schema_path_index(run, count);

		schema_charge(run, 1);
		if (judge)
			fits = schema_node_check(run, judge, item) && fits;
		schema_path_pop(run, path);
		if (node->contains)
			matches += schema_quiet(run, node->contains, item);
		count++;
	}
	fits = within(run, count, node->min_items, node->max_items, " items") && fits;
	if (node->contains)
		fits = check_contains(run, node, matches) && fits;
	if (node->unique && !is_unique(run, value, count))
		fits = fault_text(run, "%s: has equal items; each may occur once",
				  run->path_len ? run->path : "arguments");
	return fits;
}
