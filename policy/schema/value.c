/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/schema/node.h"
#include "policy/schema/number.h"

#include <string.h>

/* Facts about values, without a schema: types, equality, patterns, and what they cost. */

bool schema_charge(struct schema_run *run, uint64_t n)
{
	run->steps += n;
	if (run->steps > SCHEMA_STEPS_MAX)
		run->exhausted = true;
	return !run->exhausted;
}

unsigned schema_types_of(struct span value)
{
	switch (span_type(value)) {
	case SPAN_OBJECT:
		return TYPE_OBJECT;
	case SPAN_ARRAY:
		return TYPE_ARRAY;
	case SPAN_STRING:
		return TYPE_STRING;
	case SPAN_NUMBER:
		return number_is_integer(value) ? TYPE_NUMBER | TYPE_INTEGER : TYPE_NUMBER;
	case SPAN_TRUE:
	case SPAN_FALSE:
		return TYPE_BOOLEAN;
	case SPAN_NULL:
		return TYPE_NULL;
	case SPAN_INVALID:
		break;
	}
	return 0;
}

static int decode(struct span literal, struct buf *out)
{
	*out = (struct buf)BUF_INIT(literal.len);
	return span_string(literal, out);
}

static bool same_string(struct span a, struct span b)
{
	_cleanup_buf_ struct buf x = BUF_INIT(0), y = BUF_INIT(0);

	if (a.len == b.len && memcmp(a.p, b.p, a.len) == 0)
		return true;
	if (!memchr(a.p, '\\', a.len) && !memchr(b.p, '\\', b.len))
		return false;
	return decode(a, &x) == 0 && decode(b, &y) == 0 && x.len == y.len &&
	       (x.len == 0 || memcmp(buf_head(&x), buf_head(&y), x.len) == 0);
}

static bool same_array(struct schema_run *run, struct span a, struct span b)
{
	size_t at = 0, bt = 0;
	struct span x, y;

	for (;;) {
		bool more = span_next_element(a, &at, &x);

		if (more != span_next_element(b, &bt, &y))
			return false;
		if (!more)
			return true;
		if (!schema_same(run, x, y))
			return false;
	}
}

static bool find_member(struct schema_run *run, struct span object, struct span key, struct span *ret)
{
	struct span name;
	size_t at = 0;

	while (span_next_member(object, &at, &name, ret) && schema_charge(run, 1))
		if (same_string(name, key))
			return true;
	return false;
}

static bool same_object(struct schema_run *run, struct span a, struct span b)
{
	size_t at = 0, n = 0;
	struct span key, x, y;

	while (span_next_member(a, &at, &key, &x)) {
		if (!find_member(run, b, key, &y) || !schema_same(run, x, y))
			return false;
		n++;
	}
	for (at = 0; span_next_member(b, &at, &key, &y);)
		n--;
	return n == 0;
}

bool schema_same(struct schema_run *run, struct span a, struct span b)
{
	if (!schema_charge(run, 1 + (a.len >> 6)) || span_type(a) != span_type(b))
		return false;
	switch (span_type(a)) {
	case SPAN_OBJECT:
		return same_object(run, a, b);
	case SPAN_ARRAY:
		return same_array(run, a, b);
	case SPAN_STRING:
		return same_string(a, b);
	case SPAN_NUMBER:
		return number_compare(a, b) == 0;
	case SPAN_TRUE:
	case SPAN_FALSE:
	case SPAN_NULL:
	case SPAN_INVALID:
		break;
	}
	return true;
}

bool schema_pattern_matches(struct schema_run *run, const struct schema_pattern *pattern, struct span literal)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	pcre2_match_context *limits;
	pcre2_match_data *data;
	int r;

	if (!pattern->code)
		return true;
	if (!schema_charge(run, 50 + (literal.len >> 4)) || decode(literal, &text) < 0)
		return false;
	limits = pcre2_match_context_create(NULL);
	data = pcre2_match_data_create(1, NULL);
	r = PCRE2_ERROR_NOMEMORY;
	if (limits && data) {
		pcre2_set_match_limit(limits, 200000);
		pcre2_set_depth_limit(limits, 2000);
		pcre2_set_heap_limit(limits, 8 << 10);
		r = pcre2_match(pattern->code, text.len ? buf_head(&text) : (PCRE2_SPTR) "", text.len, 0,
				PCRE2_NO_UTF_CHECK, data, limits);
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	if (r < 0 && r != PCRE2_ERROR_NOMATCH)
		run->exhausted = true;
	return r >= 0;
}
