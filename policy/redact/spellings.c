/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/redact/spellings.h"

#include "base/utf8.h"

#include <errno.h>
#include <string.h>

/* How writers of JSON differ: what they escape beyond what must be, and how. The most common first, as room is bounded.
 */
static const struct style {
	const char *also; /* characters that become \u00xx */
	const char *slash; /* what becomes of "/" */
	bool ascii; /* all that are not ASCII too, as \uxxxx */
	bool upper; /* digits */
} styles[] = {
	{"", "/", false, false}, /* only what must be. First: it is never left out */
	{"", "/", true, false}, /* Python */
	{"", "\\/", true, false}, /* PHP */
	{"<>&", "/", false, false}, /* Go, Rails */
	{"\"<>&'+`", "/", true, true}, /* .NET */
	{"", "\\/", false, false}, /* PHP, JSON_UNESCAPED_UNICODE */
	{"<>&='", "/", false, false}, /* Gson */
	{"", "/", true, true}, /* Jackson */
	{"\"<>&'+`", "/", true, false}, {"<>&'+", "/", true, false}, /* ASP.NET */
	{"<>&", "/", true, false},      {"", "\\u002F", false, false}, {"", "\\u002f", false, false},
	{"", "\\u002f", true, false},   {"\"<>&'", "\\/", true, true}, /* PHP, JSON_HEX_* */
	{"<>&='", "\\/", true, false},  {"=", "/", false, false},
};
/* Who may write the string around that string: the first five; then whoever wrote the inner one. */
static const size_t outer_styles[] = {0, 1, 2, 3, 4};

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

	if (c == '/')
		return buf_append_str(out, style->slash);
	if (c && strchr(style->also, c))
		return put_unit(out, (unsigned char)c, style->upper);
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

/* In one style, and in another around that (NULL: none), if it differs from what is there (from the item `from` on),
 * and there is room: most, for all secrets up to this one. */
static int add_spelling(struct redact_spelled *all, size_t from, const struct redact_secret *secret,
			const struct style *style, const struct style *outer, size_t most)
{
	_cleanup_buf_ struct buf inner = BUF_INIT(12 * secret->len + 1), text = BUF_INIT(72 * secret->len + 1);
	bool always = style == styles && !outer;
	int r = escape(&inner, secret->value, secret->len, style);
	size_t len;

	if (r == 0 && outer)
		r = escape(&text, (const char *)buf_head(&inner), inner.len, outer);
	else if (r == 0)
		r = buf_append(&text, buf_head(&inner), inner.len);
	if (r < 0)
		return -ENOMEM;
	len = text.len;
	if (is_there(all, from, secret, &text) || (!always && len + all->extra > most))
		return 0;
	all->items[all->count] =
		(struct redact_secret){.name = secret->name, .value = buf_steal(&text, NULL), .len = len};
	if (!all->items[all->count].value)
		return -ENOMEM;
	all->count++;
	all->extra += always ? 0 : len;
	return 0;
}

/* All of a secret's: what stands in one string, then in a string inside of a string. */
static int spell_one(struct redact_spelled *all, const struct redact_secret *secret, size_t most)
{
	size_t from = all->count;
	int r = 0;

	for (size_t k = 0; k < ARRAY_SIZE(styles) && r == 0; k++)
		r = add_spelling(all, from, secret, &styles[k], NULL, most);
	for (size_t o = 0; o <= ARRAY_SIZE(outer_styles); o++)
		for (size_t k = 0; k < ARRAY_SIZE(styles) && r == 0; k++)
			r = add_spelling(all, from, secret, &styles[k],
					 &styles[o < ARRAY_SIZE(outer_styles) ? outer_styles[o] : k], most);
	return r;
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
	const size_t each = (2 + ARRAY_SIZE(outer_styles)) * ARRAY_SIZE(styles);
	struct redact_spelled all = {
		.items = calloc(count * (each + 1) + 1, sizeof(*all.items)), .count = count, .given = count};

	if (!all.items)
		return -ENOMEM;
	if (count > 0)
		memcpy(all.items, secrets, count * sizeof(*secrets));
	for (size_t i = 0; i < count; i++) {
		if (secrets[i].len < REDACT_SECRET_MIN)
			continue;
		/* Each has its share, and what those before it left. */
		if (spell_one(&all, &secrets[i], REDACT_SPELLINGS_MAX / count * (i + 1)) < 0) {
			redact_spelled_done(&all);
			return -ENOMEM;
		}
	}
	*ret = all;
	return 0;
}
