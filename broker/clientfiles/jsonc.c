/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/clientfiles/jsonc.h"

#include <errno.h>
#include <string.h>

struct blanker {
	char *text;
	size_t len, at;
	size_t comma; /* a comma that only blanks and comments follow so far */
	bool has_comma;
	char before_comma; /* the last byte of the value in front of it */
	char last;
	bool endless; /* a comment has no end: nor has any behind it */
};

static void blank(struct blanker *b, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (b->text[i] != '\n' && b->text[i] != '\r')
			b->text[i] = ' ';
}

/* Behind a string literal, or the end of the text. */
static size_t behind_string(const struct blanker *b)
{
	size_t i = b->at + 1;

	while (i < b->len && b->text[i] != '"' && b->text[i] != '\n')
		i += b->text[i] == '\\' && i + 1 < b->len ? 2 : 1;
	return i < b->len ? i + 1 : b->len;
}

/* Behind a comment that begins here; 0: none begins, or it has no end. */
static size_t behind_comment(struct blanker *b)
{
	const char *p = b->text + b->at, *end;

	if (b->len - b->at < 2 || p[0] != '/')
		return 0;
	if (p[1] == '/') {
		end = memchr(p, '\n', b->len - b->at);
		return end ? (size_t)(end - b->text) : b->len;
	}
	if (p[1] != '*' || b->endless)
		return 0;
	end = memmem(p + 2, b->len - b->at - 2, "*/", 2);
	b->endless = !end; /* looked for once: else a text full of them takes its length squared */
	return end ? (size_t)(end + 2 - b->text) : 0;
}

/* One token. A comma is blanked when the bracket that follows it closes what a value stands in. */
static void step(struct blanker *b)
{
	char ch = b->text[b->at];
	size_t next = ch == '/' ? behind_comment(b) : b->at + 1;

	if (ch == '/' && next) {
		blank(b, b->at, next);
		b->at = next;
		return;
	}
	if (ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n') {
		b->at++;
		return;
	}
	if ((ch == '}' || ch == ']') && b->has_comma && !strchr("{[,:", b->before_comma))
		blank(b, b->comma, b->comma + 1);
	b->has_comma = ch == ',';
	if (b->has_comma) {
		b->comma = b->at;
		b->before_comma = b->last;
	}
	b->last = ch;
	b->at = ch == '"' ? behind_string(b) : b->at + 1;
}

int jsonc_line(const char *text, const char *at)
{
	int line = 1;

	while ((text = memchr(text, '\n', (size_t)(at - text)))) {
		text++;
		line++;
	}
	return line;
}

/* span_check() says at which byte: people look for a line. */
static int tell(struct span plain, struct error *err)
{
	const char *byte = strstr(error_text(err), "at byte ");
	size_t at = byte ? strtoul(byte + strlen("at byte "), NULL, 10) : 0;

	return error_wrap(err, "line %d", jsonc_line(plain.p, plain.p + (at < plain.len ? at : plain.len)));
}

int jsonc_plain(struct span text, struct buf *out, struct span *ret, struct error *err)
{
	struct blanker b = {.len = text.len, .last = '{'};
	char *room = (char *)buf_reserve(out, text.len + 1);
	int r;

	if (!room)
		return error_set(err, -E2BIG, "over %zu bytes", out->max);
	memcpy(room, text.p, text.len);
	if (span_check(span_of(room, text.len), false, ret, err) == 0) { /* plain JSON: most are, and the largest */
		buf_commit(out, text.len);
		return 0;
	}
	error_done(err);
	if (memchr(text.p, '\0', text.len))
		return error_set(err, -EINVAL, "a zero byte");
	b.text = room;
	if (text.len >= 3 && memcmp(room, "\xef\xbb\xbf", 3) == 0)
		blank(&b, 0, 3);
	while (b.at < b.len)
		step(&b);
	buf_commit(out, text.len);
	r = span_check(span_of(room, text.len), false, ret, err);
	return r < 0 ? tell(span_of(room, text.len), err) : 0;
}
