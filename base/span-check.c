/* SPDX-License-Identifier: Apache-2.0 */
#include "base/span.h"

#include "base/span-keys.h"
#include "base/span-scan.h"
#include "base/utf8.h"

#include <errno.h>

/*
 * One pass over a text by recursive descent; the depth is bounded, so the stack is too. at always stands behind what
 * was accepted; the first fault ends the scan.
 */
struct scan {
	const char *begin, *at, *end;
	bool strict;
	unsigned depth;
	struct error *err;
	struct span_keys *keys;
};

static int scan_value(struct scan *s);

static int fault(struct scan *s, const char *where, int code, const char *what)
{
	return error_set(s->err, code, "%s at byte %zu", what, (size_t)(where - s->begin));
}

static int unexpected(struct scan *s, const char *wanted)
{
	size_t offset = (size_t)(s->at - s->begin);
	unsigned char c = s->at < s->end ? (unsigned char)*s->at : 0;

	if (s->at == s->end)
		return error_set(s->err, -EINVAL, "the text ends at byte %zu where %s is expected", offset, wanted);
	if (c >= 0x20 && c < 0x7f)
		return error_set(s->err, -EINVAL, "'%c' at byte %zu where %s is expected", c, offset, wanted);
	return error_set(s->err, -EINVAL, "byte 0x%02x at byte %zu where %s is expected", c, offset, wanted);
}

/* at is on 'u'. A pair of surrogates is taken as one. */
static int scan_unicode(struct scan *s, bool is_key)
{
	int32_t c = scan_hex4(s->at + 1, s->end), low = -1;

	if (c < 0)
		return fault(s, s->at, -EINVAL, "\\u without four hexadecimal digits");
	s->at += 5;
	if (!s->strict)
		return 0;
	if (c == 0 && is_key)
		return fault(s, s->at - 6, -EINVAL, "\\u0000 in a key");
	if (c < 0xd800 || c >= 0xe000)
		return 0;
	if (c < 0xdc00 && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u')
		low = scan_hex4(s->at + 2, s->end);
	if (low < 0xdc00 || low >= 0xe000)
		return fault(s, s->at - 6, -EINVAL, "half of a surrogate pair (\\uD800 ... \\uDFFF)");
	s->at += 6;
	return 0;
}

static int scan_escape(struct scan *s, bool is_key)
{
	s->at++;
	if (s->at == s->end)
		return unexpected(s, "an escaped character");
	if (*s->at == 'u')
		return scan_unicode(s, is_key);
	if (!memchr("\"\\/bfnrt", *s->at, 8))
		return fault(s, s->at - 1, -EINVAL, "unknown escape in a string");
	s->at++;
	return 0;
}

/* at is on the opening quote. */
static int scan_string(struct scan *s, bool is_key, bool *ret_escaped)
{
	const char *open = s->at++;

	for (*ret_escaped = false;;) {
		size_t width;
		int r;

		s->at = scan_plain(s->at, s->end);
		if (s->at == s->end)
			return fault(s, open, -EINVAL, "a string that does not end");
		if (*s->at == '"')
			break;
		if (*s->at == '\\') {
			*ret_escaped = true;
			r = scan_escape(s, is_key);
			if (r < 0)
				return r;
			continue;
		}
		if ((unsigned char)*s->at < 0x20)
			return fault(s, s->at, -EINVAL, "unescaped control character in a string");
		width = utf8_width(s->at, (size_t)(s->end - s->at));
		if (width == 0)
			return fault(s, s->at, -EINVAL, "invalid UTF-8");
		s->at += width;
		/* Text in other scripts: stay here while it lasts. */
		while (s->at < s->end && (*s->at & 0x80) && (width = utf8_width(s->at, (size_t)(s->end - s->at))) != 0)
			s->at += width;
	}
	s->at++;
	return 0;
}

static bool skip_digits(struct scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > from;
}

static int scan_number(struct scan *s)
{
	if (*s->at == '-')
		s->at++;
	if (s->at < s->end && *s->at == '0') {
		s->at++;
		if (s->at < s->end && *s->at >= '0' && *s->at <= '9')
			return fault(s, s->at - 1, -EINVAL, "a number that begins with 0");
	} else if (!skip_digits(s)) {
		return unexpected(s, "a digit");
	}
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (!skip_digits(s))
			return unexpected(s, "a digit");
	}
	if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		if (!skip_digits(s))
			return unexpected(s, "a digit");
	}
	return 0;
}

static int scan_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0)
		return unexpected(s, "a value");
	s->at += n;
	return 0;
}

static int scan_key(struct scan *s, size_t base)
{
	const char *open;
	bool escaped;
	int r;

	s->at = scan_space(s->at, s->end);
	open = s->at;
	if (s->at == s->end || *s->at != '"')
		return unexpected(s, "a key in quotes");
	r = scan_string(s, true, &escaped);
	if (r == 0 && s->strict) {
		r = span_keys_add(s->keys, base, s->depth, span_of(open + 1, (size_t)(s->at - open) - 2), escaped);
		if (r == -EEXIST)
			r = error_set(s->err, -EINVAL, "duplicate key %.*s at byte %zu",
				      s->at - open > 64 ? 64 : (int)(s->at - open), open, (size_t)(open - s->begin));
		else if (r < 0)
			r = fault(s, open, r, r == -E2BIG ? "too many keys in open objects" : "no memory for keys");
	}
	if (r < 0)
		return r;
	s->at = scan_space(s->at, s->end);
	if (s->at == s->end || *s->at != ':')
		return unexpected(s, "':'");
	s->at++;
	return 0;
}

/* Behind an item: 1 = another one follows, 0 = the container ended, or an error. */
static int scan_separator(struct scan *s, char close)
{
	s->at = scan_space(s->at, s->end);
	if (s->at < s->end && *s->at == ',') {
		s->at++;
		return 1;
	}
	if (s->at == s->end || *s->at != close)
		return unexpected(s, close == '}' ? "',' or '}'" : "',' or ']'");
	s->at++;
	return 0;
}

static int scan_container(struct scan *s, char close)
{
	size_t base = s->strict ? s->keys->count : 0;
	int r = 1;

	if (++s->depth > SPAN_DEPTH_MAX)
		return fault(s, s->at, -EINVAL, "more than 64 levels of nesting");
	s->at = scan_space(s->at + 1, s->end);
	if (s->at < s->end && *s->at == close) {
		s->at++;
		r = 0;
	}
	while (r > 0) {
		r = close == '}' ? scan_key(s, base) : 0;
		if (r == 0)
			r = scan_value(s);
		if (r == 0)
			r = scan_separator(s, close);
	}
	if (s->strict)
		span_keys_drop(s->keys, base);
	s->depth--;
	return r;
}

static int scan_value(struct scan *s)
{
	bool escaped;

	s->at = scan_space(s->at, s->end);
	if (s->at == s->end)
		return unexpected(s, "a value");
	switch (*s->at) {
	case '{':
		return scan_container(s, '}');
	case '[':
		return scan_container(s, ']');
	case '"':
		return scan_string(s, false, &escaped);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return scan_number(s);
	default:
		return unexpected(s, "a value");
	}
}

static int scan_all(struct scan *s, struct span *ret)
{
	const char *first = scan_space(s->at, s->end), *last;
	int r = scan_value(s);

	if (r < 0)
		return r;
	last = s->at;
	s->at = scan_space(s->at, s->end);
	if (s->at != s->end)
		return unexpected(s, "the end");
	if (ret)
		*ret = span_of(first, (size_t)(last - first));
	return 0;
}

int span_check(struct span text, bool strict, struct span *ret, struct error *err)
{
	struct scan s = {.begin = text.p, .at = text.p, .strict = strict, .err = err};
	struct span_keys keys;
	int r;

	if (!text.p || text.len == 0)
		return error_set(err, -EINVAL, "the text is empty");
	s.end = text.p + text.len;
	if (!strict)
		return scan_all(&s, ret);
	span_keys_init(&keys);
	s.keys = &keys;
	r = scan_all(&s, ret);
	span_keys_done(&keys);
	return r;
}
