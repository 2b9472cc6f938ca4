/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact/spellings.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

/* How writers of JSON differ: what they escape beyond what must be, and how. */
static const struct style {
	const char *also; /* characters that become \u00xx, but "/", which becomes "\/" */
	bool ascii; /* all others too, as \uxxxx */
	bool upper; /* digits */
	unsigned times; /* JSON in JSON in JSON */
} styles[] = {
	{"", false, false, 1}, /* only what must be. First: it is never left out */
	{"", false, false, 2},       {"", true, false, 1}, /* Python */
	{"/", true, false, 1}, /* PHP */
	{"<>&", false, false, 1}, /* Go */
	{"\"<>&'+`", true, true, 1}, /* .NET */
	{"", true, false, 2},
};

static int put_unit(struct buf *out, unsigned unit, bool upper)
{
	return buf_printf(out, upper ? "\\u%04X" : "\\u%04x", unit);
}

static int put_far(struct buf *out, uint32_t c, bool upper)
{
	int r;

	if (c < 0x10000)
		return put_unit(out, c, upper);
	r = put_unit(out, 0xd800 + ((c - 0x10000) >> 10), upper);
	return r ? r : put_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff), upper);
}

static int put_near(struct buf *out, char c, const struct style *style)
{
	static const char from[] = "\b\f\n\r\t\"\\", to[] = "bfnrt\"\\";
	const char *known = c ? strchr(from, c) : NULL;

	if (c && strchr(style->also, c))
		return c == '/' ? buf_append_str(out, "\\/") : put_unit(out, (unsigned char)c, style->upper);
	if (known)
		return buf_printf(out, "\\%c", to[known - from]);
	return (unsigned char)c < 0x20 ? put_unit(out, (unsigned char)c, style->upper) : buf_append(out, &c, 1);
}

static int escape(struct buf *out, const char *text, size_t len, const struct style *style)
{
	size_t width;
	int r = 0;

	for (; text && len > 0 && r == 0; text += width, len -= width) {
		width = utf8_width(text, len);
		if (width < 2) {
			width = 1; /* also a byte of no character: nobody writes it as another */
			r = put_near(out, *text, style);
		} else {
			r = style->ascii ? put_far(out, utf8_get(text, width), style->upper)
					 : buf_append(out, text, width);
		}
	}
	return r;
}

static bool is_there(const struct redact_spelled *all, size_t from, const struct redact_secret *like,
		     const struct buf *value)
{
	if (like->len == value->len && memcmp(like->value, buf_head(value), value->len) == 0)
		return true;
	for (size_t i = from; i < all->count; i++)
		if (all->items[i].len == value->len && memcmp(all->items[i].value, buf_head(value), value->len) == 0)
			return true;
	return false;
}

/* In one style, if that differs from what is there (from the item `from` on), and there is room. */
static int add_spelling(struct redact_spelled *all, size_t from, const struct redact_secret *secret,
			const struct style *style)
{
	_cleanup_buf_ struct buf text = BUF_INIT(72 * secret->len + 1), before = BUF_INIT(12 * secret->len + 1);
	bool always = style == styles;
	int r = escape(&text, secret->value, secret->len, style);
	size_t len;

	for (unsigned i = 1; i < style->times && r == 0; i++) {
		struct buf moved = before;

		before = text;
		text = moved;
		buf_clear(&text);
		text.max = 72 * secret->len + 1;
		r = escape(&text, (const char *)buf_head(&before), before.len, styles);
	}
	if (r < 0)
		return -ENOMEM;
	len = text.len;
	if (is_there(all, from, secret, &text) || (!always && len > REDACT_SPELLINGS_MAX - all->extra))
		return 0;
	all->items[all->count] =
		(struct redact_secret){.name = secret->name, .value = buf_steal(&text, NULL), .len = len};
	if (!all->items[all->count].value)
		return -ENOMEM;
	all->count++;
	all->extra += always ? 0 : len;
	return 0;
}

void redact_spelled_done(struct redact_spelled *all)
{
	for (size_t i = all->given; i < all->count; i++)
		free((char *)(uintptr_t)all->items[i].value);
	free(all->items);
	*all = (struct redact_spelled){0};
}

int redact_spell(const struct redact_secret *secrets, size_t count, struct redact_spelled *ret)
{
	struct redact_spelled all = {.items = calloc(count * (ARRAY_SIZE(styles) + 1) + 1, sizeof(*all.items)),
				     .count = count,
				     .given = count};

	if (!all.items)
		return -ENOMEM;
	if (count > 0)
		memcpy(all.items, secrets, count * sizeof(*secrets));
	for (size_t i = 0; i < count; i++) {
		size_t from = all.count;

		for (size_t k = 0; secrets[i].len >= REDACT_SECRET_MIN && k < ARRAY_SIZE(styles); k++) {
			if (add_spelling(&all, from, &secrets[i], &styles[k]) < 0) {
				redact_spelled_done(&all);
				return -ENOMEM;
			}
		}
	}
	*ret = all;
	return 0;
}
