/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments as a person reads them before saying yes. Code chose every byte of them, so: secrets are blanked before
 * anything is cut, strings are decoded and written anew (no \u002f for a slash), what cannot be seen is spelled out,
 * and a value that is cut says how long it is.
 */
#include "broker/core/ask.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

enum {
	BODY_LOOKED_AT = 64 << 10, /* of arguments that are too large to be taken apart on the loop */
	MEMBERS_MAX = 64,
	NAME_MAX_BYTES = 64,
	VALUE_LEAST = 24, /* bytes of a value, where many share the room */
};

/* ---- characters ---- */

int ask_put_visible(struct buf *out, const char *text, size_t n)
{
	int r = 0;

	while (n > 0 && r == 0) {
		size_t width = utf8_width(text, n);
		uint32_t c = width ? utf8_get(text, width) : 0xfffd;

		if (!width)
			r = buf_append_str(out, "\\ufffd");
		else if (utf8_is_unseen(c))
			r = buf_printf(out, c > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)c);
		else
			r = buf_append(out, text, width);
		text += width ? width : 1;
		n -= width ? width : 1;
	}
	return r;
}

/* ---- values ---- */

/* Bytes of the string literal at the beginning of text; what redaction made of it may lack its end. */
static size_t literal_len(struct span text)
{
	size_t i = 1;

	while (i < text.len && text.p[i] != '"')
		i += text.p[i] == '\\' && i + 1 < text.len ? 2 : 1;
	return i < text.len ? i + 1 : text.len;
}

/* A string decoded and encoded anew, with as few escapes as there can be. */
static int put_literal(struct buf *out, struct span literal)
{
	_cleanup_buf_ struct buf plain = BUF_INIT(literal.len + 1);

	if (span_string(literal, &plain) < 0)
		return buf_append(out, literal.p, literal.len);
	return buf_append_json(out, plain.len ? (const char *)buf_head(&plain) : "", plain.len);
}

static int put_tokens(struct buf *out, struct span text, size_t enough)
{
	int r = 0;

	for (size_t i = 0; text.p && i < text.len && r == 0 && out->len < enough;) {
		size_t n = text.p[i] == '"' ? literal_len(span_of(text.p + i, text.len - i)) : 1;

		if (text.p[i] == '"')
			r = put_literal(out, span_of(text.p + i, n));
		else if (!strchr(" \t\r\n", text.p[i]))
			r = buf_append(out, text.p + i, 1);
		i += n;
	}
	return r;
}

/* raw is redacted JSON text; size: what it is the beginning of. */
static int put_value(struct buf *out, struct span raw, size_t size, size_t most)
{
	_cleanup_buf_ struct buf text = BUF_INIT(6 * raw.len + 64);
	size_t shown;
	int r = put_tokens(&text, raw, most + 1);

	if (r < 0)
		return r;
	shown = text.len > most ? span_utf8_floor((const char *)buf_head(&text), most) : text.len;
	r = ask_put_visible(out, (const char *)buf_head(&text), shown);
	if (r == 0 && (shown < text.len || size > raw.len))
		r = buf_printf(out, " ... (%zu bytes)", size);
	return r;
}

static int put_redacted(struct buf *out, struct span value, const struct redact *redact, size_t size, size_t most)
{
	_cleanup_buf_ struct buf copy = BUF_INIT(2 * value.len + 4096);
	int r = buf_append(&copy, value.p, value.len);

	if (r < 0)
		return r;
	redact_buf(redact, &copy);
	/* A value that grew or shrank by redaction is still as long as the caller made it. */
	return put_value(out, span_of(buf_head(&copy), copy.len), size > value.len ? size : copy.len, most);
}

static int put_name(struct buf *out, struct span key, const struct redact *redact)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	_cleanup_free_ char *name = span_strdup(key, NAME_MAX_BYTES);

	if (name && *name && strspn(name, plain) == strlen(name)) {
		_cleanup_buf_ struct buf copy = BUF_INIT(1024);
		int r = buf_append_str(&copy, name);

		redact_buf(redact, &copy);
		return r ? r : ask_put_visible(out, (const char *)buf_head(&copy), copy.len);
	}
	return put_redacted(out, key, redact, key.len, NAME_MAX_BYTES);
}

static int put_large(struct buf *out, struct span args, const struct redact *redact, bool lines)
{
	size_t n = span_utf8_floor(args.p, BODY_LOOKED_AT);
	int r = lines ? buf_append_str(out, "\n  ") : 0;

	return r ? r : put_redacted(out, span_of(args.p, n), redact, args.len, ASK_ARGS_MAX / 2);
}

/* All arguments share the room, so that none can crowd out the one that matters. */
static size_t room_of_value(struct span args)
{
	size_t at = 0, n = 0, room;
	struct span key, value;

	while (span_next_member(args, &at, &key, &value))
		n++;
	room = n > 0 ? ASK_ARGS_MAX / n : ASK_VALUE_MAX;
	room = room > 2 * VALUE_LEAST ? room - VALUE_LEAST : VALUE_LEAST; /* less its name */
	return room < ASK_VALUE_MAX ? room : ASK_VALUE_MAX;
}

int ask_put_arguments(struct buf *out, struct span args, const struct redact *redact, bool lines)
{
	size_t begin = out->len, at = 0, n = 0, left = 0, room;
	struct span key, value;
	int r = 0;

	if (args.len >= CORE_LARGE)
		return put_large(out, args, redact, lines);
	room = room_of_value(args);
	while (r == 0 && span_next_member(args, &at, &key, &value)) {
		if (n++ >= MEMBERS_MAX || out->len - begin > ASK_ARGS_MAX - 2 * room) {
			left++;
			continue;
		}
		r = buf_append_str(out, lines ? "\n  " : n > 1 ? ", " : "");
		if (r == 0)
			r = put_name(out, key, redact);
		if (r == 0)
			r = buf_append_str(out, ": ");
		if (r == 0)
			r = put_redacted(out, value, redact, value.len, room);
	}
	if (r == 0 && left)
		r = buf_printf(out, "%s... and %zu arguments that are not shown", lines ? "\n  " : ", ", left);
	if (r == 0 && n == 0)
		r = buf_append_str(out, lines ? "\n  (no arguments)" : "(no arguments)");
	return r;
}
