/* SPDX-License-Identifier: Apache-2.0 */
#include "base/span.h"

#include "base/span-scan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/*
 * Finding values in a checked text. Meaningless on other texts, but never outside of them: every step looks at the end.
 */

bool span_equals(struct span s, const char *text)
{
	return s.p && s.len == strlen(text) && memcmp(s.p, text, s.len) == 0;
}

enum span_type span_type(struct span value)
{
	if (!value.p || value.len == 0)
		return SPAN_INVALID;
	switch (value.p[0]) {
	case '{':
		return SPAN_OBJECT;
	case '[':
		return SPAN_ARRAY;
	case '"':
		return SPAN_STRING;
	case 't':
		return SPAN_TRUE;
	case 'f':
		return SPAN_FALSE;
	case 'n':
		return SPAN_NULL;
	default:
		return value.p[0] == '-' || (value.p[0] >= '0' && value.p[0] <= '9') ? SPAN_NUMBER : SPAN_INVALID;
	}
}

/* p is on the opening quote; returns what is behind the closing one. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; (p = scan_quote(p, end)) < end;) {
		if (*p == '"')
			return p + 1;
		p += end - p < 2 ? 1 : 2;
	}
	return end;
}

static const char *skip_container(const char *p, const char *end)
{
	size_t depth = 0;

	while (p < end) {
		switch (*p) {
		case '"':
			p = skip_string(p, end);
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return p + 1;
			break;
		default:
			break;
		}
		p++;
	}
	return end;
}

static const char *skip_value(const char *p, const char *end)
{
	if (p == end)
		return p;
	if (*p == '"')
		return skip_string(p, end);
	if (*p == '{' || *p == '[')
		return skip_container(p, end);
	while (p < end && *p != ',' && *p != '}' && *p != ']' && *p != ':' && (unsigned char)*p > 0x20)
		p++;
	return p;
}

/* Goes to the next item of a container; false behind the last. */
static bool next_item(struct span container, char open, size_t *at, const char **ret)
{
	const char *p, *end;

	if (container.len < 2 || container.p[0] != open)
		return false;
	end = container.p + container.len - 1;
	p = scan_space(container.p + (*at ? *at : 1), end);
	if (*at && p < end && *p == ',')
		p = scan_space(p + 1, end);
	if (p >= end)
		return false;
	*ret = p;
	return true;
}

bool span_next_member(struct span object, size_t *at, struct span *ret_key, struct span *ret_value)
{
	const char *p, *q, *end = object.p ? object.p + object.len : NULL;

	if (!next_item(object, '{', at, &p) || *p != '"')
		return false;
	q = skip_string(p, end);
	*ret_key = span_of(p, (size_t)(q - p));
	q = scan_space(q, end);
	if (q == end || *q != ':')
		return false;
	p = scan_space(q + 1, end);
	q = skip_value(p, end);
	*ret_value = span_of(p, (size_t)(q - p));
	*at = (size_t)(q - object.p);
	return q > p;
}

bool span_next_element(struct span array, size_t *at, struct span *ret_value)
{
	const char *p, *q;

	if (!next_item(array, '[', at, &p))
		return false;
	q = skip_value(p, array.p + array.len);
	*ret_value = span_of(p, (size_t)(q - p));
	*at = (size_t)(q - array.p);
	return q > p;
}

struct span span_member(struct span object, const char *name)
{
	struct span key, value;
	size_t at = 0;

	while (span_next_member(object, &at, &key, &value))
		if (span_string_equals(key, name))
			return value;
	return SPAN_NONE;
}

static struct span element_at(struct span array, const char *token)
{
	struct span value;
	size_t at = 0, index = 0;

	if (!*token || strspn(token, "0123456789") != strlen(token) || (token[0] == '0' && token[1]) ||
	    strlen(token) > 9)
		return SPAN_NONE;
	index = strtoul(token, NULL, 10);
	while (span_next_element(array, &at, &value))
		if (index-- == 0)
			return value;
	return SPAN_NONE;
}

/* A copy of the pointer's token with ~1 and ~0 replaced. */
static char *pointer_token(const char *p, size_t n)
{
	char *token = malloc(n + 1), *out = token;

	if (!token)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '~' && i + 1 < n && (p[i + 1] == '0' || p[i + 1] == '1'))
			*out++ = p[++i] == '0' ? '~' : '/';
		else
			*out++ = p[i];
	}
	*out = '\0';
	return token;
}

struct span span_pointer(struct span value, const char *pointer)
{
	while (*pointer == '/' && value.p) {
		size_t n = strcspn(++pointer, "/");
		_cleanup_free_ char *token = pointer_token(pointer, n);

		if (!token)
			return SPAN_NONE;
		value = span_type(value) == SPAN_ARRAY ? element_at(value, token) : span_member(value, token);
		pointer += n;
	}
	return *pointer ? SPAN_NONE : value;
}

int span_int64(struct span number, int64_t *ret)
{
	bool negative = number.len > 0 && number.p[0] == '-';
	int64_t value = 0;
	size_t i = negative;

	if (span_type(number) != SPAN_NUMBER || i == number.len)
		return -EINVAL;
	for (; i < number.len; i++) {
		int digit = number.p[i] - '0';

		if (digit < 0 || digit > 9)
			return -EINVAL;
		/* Downwards, as INT64_MIN has no positive counterpart. */
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value))
			return -ERANGE;
	}
	if (!negative && __builtin_sub_overflow(0, value, &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

bool span_bool(struct span value, bool missing)
{
	enum span_type type = span_type(value);

	return type == SPAN_TRUE || (type != SPAN_FALSE && missing);
}

double span_double(struct span number)
{
	_cleanup_free_ char *copy = NULL;

	if (span_type(number) != SPAN_NUMBER)
		return (double)NAN;
	copy = strndup(number.p, number.len);
	return copy ? strtod(copy, NULL) : (double)NAN;
}
