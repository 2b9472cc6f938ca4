/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments as a person reads them before saying yes. Code chose every byte of them, so: secrets are blanked before
 * anything is cut, strings are decoded and written anew (no \u002f for a slash), what cannot be seen is spelled out,
 * and a value that is cut says how long it is.
 */
#include "broker/core/ask.h"

#include "base/utf8.h"
#include "base/visible.h"

#include <errno.h>
#include <string.h>

enum {
	BODY_LOOKED_AT = 64 << 10, /* of a value; of longer ones the ends, or their members */
	END_LOOKED_AT = 4 << 10, /* of each end */
	MEMBERS_MAX = 64,
	NAMES_MAX = 1 << 10, /* bytes of the names of arguments whose values have no room */
	NAME_MAX_BYTES = 64,
	VALUE_LEAST = 24, /* bytes of a value, where many share the room */
	NAME_AND_MARKS = 48, /* about what stands beside it */
	DEPTH_MAX = 3,
	SEEN_MOST = 16, /* bytes that one becomes: a name for a short secret, or a mark and what is left of a string */
};

/* ---- one string ---- */

/* A character as a JSON string has it, with as few escapes as there can be and all that are wanted to see it. */
static int put_character(struct buf *out, const char *text, size_t width)
{
	static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
	const char *known = *text ? strchr(from, *text) : NULL;

	return known ? buf_printf(out, "\\%c", to[known - from]) : visible_put(out, text, width);
}

static size_t width_at(const char *text, size_t n)
{
	size_t width = utf8_width(text, n);

	return width ? width : 1;
}

/* From the beginning of text as much as makes `most` bytes; *ret_n: so much of it. */
static int put_head(struct buf *out, struct span text, size_t most, size_t *ret_n)
{
	size_t begin = out->len, n = 0;
	int r = 0;

	while (n < text.len && r == 0) {
		size_t width = width_at(text.p + n, text.len - n), before = out->len;

		r = put_character(out, text.p + n, width);
		if (r == 0 && out->len - begin > most) {
			out->len = before;
			break;
		}
		n += width;
	}
	*ret_n = n;
	return r;
}

/* Where the end of text begins that makes at most `most` bytes. */
static size_t tail_start(struct span text, size_t most)
{
	_cleanup_buf_ struct buf one = BUF_INIT(64);
	size_t at = text.len, bytes = 0;

	while (at > 0) {
		size_t from = at - 1;

		while (from > 0 && at - from < 4 && (text.p[from] & 0xc0) == 0x80)
			from--;
		buf_clear(&one);
		if (put_character(&one, text.p + from, at - from) < 0 || bytes + one.len > most)
			break;
		bytes += one.len;
		at = from;
	}
	return at;
}

/* "head" ... "tail" (N bytes): both ends, as what matters may stand at either. The marks are outside of the quotes, so
 * no value can have them. tail: of the same text (head.p <= tail.p), or of one that is not here as a whole. */
static int put_ends(struct buf *out, struct span head, struct span tail, size_t size, size_t most)
{
	size_t shown = 0, at = tail_start(tail, most / 3), end = 0;
	int r = buf_append_str(out, "\"");

	if (r == 0)
		r = put_head(out, head, most - most / 3, &shown);
	if (r == 0)
		r = buf_append_str(out, "\" ... \"");
	if (r == 0)
		r = put_head(out, span_of(tail.p + at, tail.len - at), SIZE_MAX, &end);
	return r ? r : buf_printf(out, "\" (%zu bytes)", size);
}

/* Decoded text; of one that is cut, without the halves of an escape. */
static int decode(struct span inside, struct buf *out)
{
	_cleanup_buf_ struct buf literal = BUF_INIT(inside.len + 3);
	size_t n = 0, step;
	int r;

	for (; n < inside.len; n += step) {
		step = inside.p[n] != '\\' ? 1 : n + 1 < inside.len && inside.p[n + 1] == 'u' ? 6 : 2;
		if (n + step > inside.len)
			break;
	}
	r = buf_append_str(&literal, "\"");
	if (r == 0)
		r = buf_append(&literal, inside.p, n);
	if (r == 0)
		r = buf_append_str(&literal, "\"");
	if (r == 0 && span_string(span_of(buf_head(&literal), literal.len), out) < 0) {
		buf_clear(out);
		r = buf_append(out, inside.p, n);
	}
	return r;
}

static struct span span_of_buf(const struct buf *text)
{
	const char *head = text->len ? (const char *)buf_head(text) : NULL;

	return span_of(head ? head : "", head ? text->len : 0);
}

/* inside: of a redacted literal, without its quotes. */
static int put_string(struct buf *out, struct span inside, size_t size, size_t most)
{
	_cleanup_buf_ struct buf plain = BUF_INIT(inside.len + 1);
	size_t begin = out->len, n = 0;
	int r = decode(inside, &plain);

	if (r == 0)
		r = buf_append_str(out, "\"");
	if (r == 0)
		r = put_head(out, span_of_buf(&plain), most, &n);
	if (r < 0 || n == plain.len)
		return r ? r : buf_append_str(out, "\"");
	out->len = begin;
	return put_ends(out, span_of_buf(&plain), span_of_buf(&plain), size, most);
}

/* ---- a value, redacted as a whole ---- */

/* Bytes of the string literal at the beginning of text; what redaction made of it may lack its end. */
static size_t literal_len(struct span text)
{
	size_t i = 1;

	while (i < text.len && text.p[i] != '"')
		i += text.p[i] == '\\' && i + 1 < text.len ? 2 : 1;
	return i < text.len ? i + 1 : text.len;
}

/* Each string in it has so much room. */
static int put_tokens(struct buf *out, struct span text, size_t each, size_t *ret_strings)
{
	int r = 0;

	*ret_strings = 0;
	for (size_t i = 0; text.p && i < text.len && r == 0;) {
		bool string = text.p[i] == '"';
		size_t n = string ? literal_len(span_of(text.p + i, text.len - i)) : width_at(text.p + i, text.len - i);
		size_t inside = n > 1 && text.p[i + n - 1] == '"' ? n - 2 : n - 1;

		*ret_strings += string;
		if (string)
			r = put_string(out, span_of(text.p + i + 1, inside), inside, each);
		else if (!strchr(" \t\r\n", text.p[i]))
			r = visible_put(out, text.p + i, n);
		i += n;
	}
	return r;
}

/* All of it, if there is room. Else strings are cut first, so that a long one hides none of its sisters; then the
 * middle. */
static int put_text(struct buf *out, struct span raw, size_t size, size_t most)
{
	_cleanup_buf_ struct buf text = BUF_INIT(SEEN_MOST * raw.len + 4096);
	size_t strings, head, tail, each;
	int r = put_tokens(&text, raw, SIZE_MAX, &strings);

	if (r == 0 && text.len > most && strings > 0) {
		each = most / strings;
		buf_clear(&text);
		r = put_tokens(&text, raw, each > VALUE_LEAST ? each : VALUE_LEAST, &strings);
	}
	if (r < 0 || text.len <= most + most / 2)
		return r ? r : buf_append(out, buf_head(&text), text.len);
	head = span_utf8_floor((const char *)buf_head(&text), most - most / 3);
	tail = text.len - most / 3;
	while (tail < text.len && (buf_head(&text)[tail] & 0xc0) == 0x80)
		tail++;
	r = buf_append(out, buf_head(&text), head);
	if (r == 0)
		r = buf_append_str(out, " ... ");
	if (r == 0)
		r = buf_append(out, buf_head(&text) + tail, text.len - tail);
	return r ? r : buf_printf(out, " (%zu bytes)", size);
}

static int redacted(struct span text, const struct redact *redact, struct buf *ret)
{
	int r = buf_append(ret, text.p, text.len);

	if (r == 0)
		redact_buf(redact, ret);
	return r;
}

/* ---- a value that is too long for that: both its ends ---- */

/* What is certain of its beginning: of a secret that goes on behind it nothing is given. */
static int look_at_head(struct span text, const struct redact *redact, struct buf *out)
{
	/* The set is borrowed; the count of references is the one thing that changes. */
	struct redact_stream *s = redact_stream_new((struct redact *)(uintptr_t)redact);
	size_t n = END_LOOKED_AT + redact_reach(redact);
	int r = s ? redact_stream_feed(s, text.p, n < text.len ? n : text.len, out) : -ENOMEM;

	redact_stream_free(s);
	return r;
}

/* The end. A secret that began before what is read ends within reach; as much again may be held back of that. */
static int look_at_tail(struct span text, const struct redact *redact, struct buf *out)
{
	struct redact_stream *s = redact_stream_new((struct redact *)(uintptr_t)redact);
	size_t before = 2 * redact_reach(redact), n = END_LOOKED_AT + before, from = n < text.len ? text.len - n : 0;
	size_t slashes = 0;
	int r;

	while (slashes < from && text.p[from - 1 - slashes] == '\\')
		slashes++;
	from -= slashes % 2; /* not into an escape */
	r = s ? redact_stream_feed(s, text.p + from, from > 0 ? before : 0, out) : -ENOMEM;
	buf_clear(out);
	if (r == 0 && from > 0)
		r = redact_stream_feed(s, text.p + from + before, text.len - from - before, out);
	else if (r == 0)
		r = redact_stream_feed(s, text.p, text.len, out);
	if (r == 0)
		r = redact_stream_end(s, out);
	redact_stream_free(s);
	return r;
}

static int put_long(struct buf *out, struct span value, const struct redact *redact, size_t most)
{
	bool quoted = value.p[0] == '"';
	struct span inside = quoted ? span_of(value.p + 1, value.len - 2) : value;
	size_t room = SEEN_MOST * (END_LOOKED_AT + 3 * redact_reach(redact));
	_cleanup_buf_ struct buf head = BUF_INIT(room), tail = BUF_INIT(room);
	_cleanup_buf_ struct buf first = BUF_INIT(room), last = BUF_INIT(room);
	int r = look_at_head(inside, redact, &head);

	if (r == 0)
		r = look_at_tail(inside, redact, &tail);
	if (r == 0)
		r = decode(span_of_buf(&head), &first);
	if (r == 0)
		r = decode(span_of_buf(&tail), &last);
	return r ? r : put_ends(out, span_of_buf(&first), span_of_buf(&last), value.len, most);
}

/* ---- members ---- */

static int put_name(struct buf *out, struct span key, const struct redact *redact)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	_cleanup_free_ char *name = span_strdup(key, NAME_MAX_BYTES);
	_cleanup_buf_ struct buf copy = BUF_INIT(2 * key.len + 4096);
	bool bare = name && *name && strspn(name, plain) == strlen(name);
	int r;

	if (!bare && key.len > BODY_LOOKED_AT)
		return put_long(out, key, redact, NAME_MAX_BYTES);
	r = redacted(bare ? span_of(name, strlen(name)) : key, redact, &copy);
	if (r < 0)
		return r;
	return bare ? visible_put(out, (const char *)buf_head(&copy), copy.len)
		    : put_text(out, span_of_buf(&copy), key.len, NAME_MAX_BYTES);
}

static bool next(struct span container, size_t *at, struct span *ret_key, struct span *ret_value)
{
	*ret_key = SPAN_NONE;
	return span_type(container) == SPAN_OBJECT ? span_next_member(container, at, ret_key, ret_value)
						   : span_next_element(container, at, ret_value);
}

static size_t count_of(struct span container)
{
	size_t at = 0, n = 0;
	struct span key, value;

	while (next(container, &at, &key, &value))
		n++;
	return n;
}

/* All share the room, so that none can crowd out the one that matters. */
static size_t room_of(size_t n, size_t all)
{
	size_t room = n > 0 ? all / n : ASK_VALUE_MAX;

	room = room > NAME_AND_MARKS + VALUE_LEAST ? room - NAME_AND_MARKS : VALUE_LEAST;
	return room < ASK_VALUE_MAX ? room : ASK_VALUE_MAX;
}

static int put_value(struct buf *out, struct span value, const struct redact *redact, size_t most, int depth);

/* A large list or object is never redacted as one text: what is in it is. */
static int put_container(struct buf *out, struct span value, const struct redact *redact, size_t most, int depth)
{
	size_t begin = out->len, at = 0, n = 0, all = count_of(value), room = room_of(all, most);
	bool object = span_type(value) == SPAN_OBJECT;
	struct span key, item;
	int r = buf_append_str(out, object ? "{" : "[");

	while (r == 0 && out->len - begin <= most && next(value, &at, &key, &item)) {
		r = n++ > 0 ? buf_append_str(out, ",") : 0;
		if (r == 0 && key.p)
			r = put_name(out, key, redact);
		if (r == 0 && key.p)
			r = buf_append_str(out, ":");
		if (r == 0)
			r = put_value(out, item, redact, room, depth + 1);
	}
	if (r == 0 && n < all)
		r = buf_printf(out, " ... and %zu more", all - n);
	return r ? r : buf_printf(out, "%s (%zu bytes)", object ? "}" : "]", value.len);
}

static int put_value(struct buf *out, struct span value, const struct redact *redact, size_t most, int depth)
{
	bool large = value.len > BODY_LOOKED_AT, list = value.p[0] == '{' || value.p[0] == '[';
	_cleanup_buf_ struct buf copy = BUF_INIT(2 * value.len + 4096);
	int r;

	if (large)
		return list && depth < DEPTH_MAX ? put_container(out, value, redact, most, depth)
						 : put_long(out, value, redact, most);
	r = redacted(value, redact, &copy);
	/* A value that grew or shrank by redaction is still as long as the caller made it. */
	return r ? r : put_text(out, span_of_buf(&copy), value.len, most);
}

/* ---- all ---- */

/* Those that no value is shown of: their names and sizes, as far as that goes. */
static int put_rest(struct buf *out, struct span args, size_t at, const struct redact *redact, size_t left, bool lines)
{
	size_t begin = out->len;
	struct span key, value;
	int r = buf_printf(out, "%s... and %zu arguments that are not shown", lines ? "\n  " : ", ", left);

	for (size_t n = 0; r == 0 && out->len - begin < NAMES_MAX && span_next_member(args, &at, &key, &value); n++) {
		r = buf_append_str(out, n > 0 ? ", " : ": ");
		if (r == 0)
			r = put_name(out, key, redact);
		if (r == 0)
			r = buf_printf(out, " (%zu bytes)", value.len);
		left--;
	}
	return r || left == 0 ? r : buf_append_str(out, ", ...");
}

int ask_put_arguments(struct buf *out, struct span args, const struct redact *redact, bool lines)
{
	size_t begin = out->len, at = 0, n = 0, all = count_of(args), room = room_of(all, ASK_ARGS_MAX);
	struct span key, value;
	int r = 0;

	while (r == 0 && n < MEMBERS_MAX && out->len - begin < ASK_ARGS_MAX &&
	       span_next_member(args, &at, &key, &value)) {
		r = buf_append_str(out, lines ? "\n  " : n > 0 ? ", " : "");
		if (r == 0)
			r = put_name(out, key, redact);
		if (r == 0)
			r = buf_append_str(out, ": ");
		if (r == 0)
			r = put_value(out, value, redact, room, 0);
		n++;
	}
	if (r == 0 && n < all)
		r = put_rest(out, args, at, redact, all - n, lines);
	if (r == 0 && n == 0)
		r = buf_append_str(out, lines ? "\n  (no arguments)" : "(no arguments)");
	return r;
}
