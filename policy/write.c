/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rule as it is written into a YAML file, and told to people who are to write it: one line. Plain where that can only
 * be a text, else in double quotes, with escapes for what would end them and what cannot be seen.
 */
#include "policy/policy.h"

#include "base/utf8.h"

#include <ctype.h>
#include <string.h>

static bool is_plain(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";

	if (text[strspn(text, plain)])
		return false;
	return text[0] == '/' || (isalpha((unsigned char)text[0]) && strpbrk(text, "._"));
}

static int put_quoted(struct buf *out, const char *text)
{
	size_t n = strlen(text), width;
	int r = buf_append_str(out, "\"");

	for (; n > 0 && r == 0; text += width, n -= width) {
		uint32_t c;

		width = utf8_width(text, n);
		c = width ? utf8_get(text, width) : 0;
		if (!width) { /* no text, so no file can say it; both are globs, and this is any one byte */
			width = 1;
			r = buf_append_str(out, "?");
		} else if (c == '"' || c == '\\') {
			r = buf_printf(out, "\\%c", (int)c);
		} else if (utf8_is_unseen(c)) {
			r = buf_printf(out, c > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)c);
		} else {
			r = buf_append(out, text, width);
		}
	}
	return r ? r : buf_append_str(out, "\"");
}

static int put_text(struct buf *out, const char *text)
{
	return is_plain(text) ? buf_append_str(out, text) : put_quoted(out, text);
}

int policy_put_rule(const char *verdict, const char *glob, const char *from, struct buf *out)
{
	int r = buf_printf(out, from ? "- {%s: " : "- %s: ", verdict);

	if (r == 0)
		r = put_text(out, glob);
	if (r < 0 || !from)
		return r;
	r = buf_append_str(out, ", from: ");
	if (r == 0)
		r = put_text(out, from);
	return r ? r : buf_append_str(out, "}");
}
