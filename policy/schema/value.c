/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/schema/node.h"
#include "policy/schema/number.h"

#include <string.h>

/* Facts about values, without a schema: types, equality, patterns, and what they cost. */

bool schema_charge(struct schema_run *run, uint64_t n)
{
	run->steps += n;
	if (run->steps > run->steps_max)
		run->exhausted = true;
	return !run->exhausted;
}

uint64_t schema_walk_steps(struct span value)
{
	return 1 + (value.len >> 6);
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

	while (span_next_member(object, &at, &name, ret) && schema_charge(run, schema_walk_steps(*ret)))
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
	if (!schema_charge(run, schema_walk_steps(a)) || span_type(a) != span_type(b))
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

/* ---- patterns ---- */

enum {
	MATCH_CALLS_FEW = 500, /* PCRE2 counts calls of its matcher; each may go over the whole text once */
	MATCH_CALLS_MANY = 200000,
	MATCH_DEPTH = 2000,
	MATCH_HEAP_KIB = 8 << 10,
};
/* Bytes that all calls of one match may go over: a pattern that begins with ^ hardly ever looks at a text anew from
 * each of its places, others do. Two nanoseconds a byte at the worst. */
static const uint64_t match_walked_max = UINT64_C(1) << 31, match_walked_max_anchored = UINT64_C(1) << 34;

static bool is_anchored(const struct schema_pattern *pattern)
{
	uint32_t options = 0;

	pcre2_pattern_info(pattern->code, PCRE2_INFO_ALLOPTIONS, &options);
	return options & PCRE2_ANCHORED;
}

static int match(const struct schema_pattern *pattern, struct buf *text, uint32_t calls)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int r = PCRE2_ERROR_NOMEMORY;

	if (limits && data) {
		pcre2_set_match_limit(limits, calls);
		pcre2_set_depth_limit(limits, MATCH_DEPTH);
		pcre2_set_heap_limit(limits, MATCH_HEAP_KIB);
		r = pcre2_match(pattern->code, text->len ? buf_head(text) : (PCRE2_SPTR) "", text->len, 0,
				PCRE2_NO_UTF_CHECK, data, limits);
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	return r;
}

/* Most patterns need few calls; PCRE2 does not say how many it made, so many are paid for in advance. */
static int match_with_many(struct schema_run *run, const struct schema_pattern *pattern, struct buf *text)
{
	uint64_t most = (is_anchored(pattern) ? match_walked_max_anchored : match_walked_max) / (text->len + 1);
	uint32_t calls = most < MATCH_CALLS_MANY ? (uint32_t)most : MATCH_CALLS_MANY;

	if (!schema_charge(run, calls / 10 + ((calls * (uint64_t)text->len) >> 14)))
		return PCRE2_ERROR_MATCHLIMIT;
	return match(pattern, text, calls);
}

bool schema_pattern_matches(struct schema_run *run, const struct schema_pattern *pattern, struct span literal)
{
	_cleanup_buf_ struct buf text = BUF_INIT(0);
	int r;

	if (!pattern->code)
		return true;
	if (!schema_charge(run, 100 + (run->brief ? 4 * literal.len : literal.len >> 3)) || decode(literal, &text) < 0)
		return false;
	r = match(pattern, &text, MATCH_CALLS_FEW);
	if (r == PCRE2_ERROR_MATCHLIMIT)
		r = match_with_many(run, pattern, &text);
	if (r < 0 && r != PCRE2_ERROR_NOMATCH)
		run->exhausted = true;
	return r >= 0;
}
