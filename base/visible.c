/* SPDX-License-Identifier: Apache-2.0 */
#include "base/visible.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* Sorted. What Unicode calls default-ignorable, controls and marks of direction, line ends, and all that is blank but
 * the space of ASCII: a name with another blank in it looks like two words. */
static const struct {
	uint32_t first, last;
} unseen[] = {
	{0x00, 0x1f},       {0x7f, 0xa0}, /* with the space that does not break */
	{0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},     {0x115f, 0x1160}, /* Hangul fillers */
	{0x1680, 0x1680}, /* Ogham space */
	{0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x2000, 0x200f}, /* spaces of all widths, and of none; marks of
								     direction */
	{0x2028, 0x202f},   {0x205f, 0x206f},   {0x2800, 0x2800}, /* Braille without a dot */
	{0x3000, 0x3000},   {0x3164, 0x3164},   {0xfe00, 0xfe0f}, /* variation selectors */
	{0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff0, 0xfffb},   {0x13430, 0x13455}, {0x16fe4, 0x16fe4},
	{0x1bca0, 0x1bca3}, {0x1d159, 0x1d159}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}, /* tags, more variation
											   selectors */
};

bool visible_is(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_SIZE(unseen); i++)
		if (c >= unseen[i].first && c <= unseen[i].last)
			return false;
	return true;
}

static int put(struct buf *out, const char *text, size_t n, const char *as_they_are, uint32_t most)
{
	int r = 0;

	while (n > 0 && r == 0) {
		size_t width = utf8_width(text, n);
		uint32_t c = width ? utf8_get(text, width) : 0xfffd;

		if (!width)
			r = buf_append_str(out, "\\ufffd");
		else if (c <= most && (visible_is(c) || (c && c < 0x80 && strchr(as_they_are, (int)c))))
			r = buf_append(out, text, width);
		else
			r = buf_printf(out, c > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)c);
		text += width ? width : 1;
		n -= width ? width : 1;
	}
	return r;
}

int visible_put(struct buf *out, const char *text, size_t n)
{
	return put(out, text, n, "", UINT32_MAX);
}

int visible_put_ascii(struct buf *out, const char *text, size_t n)
{
	return put(out, text, n, "", 0x7f);
}

char *visible_text(const char *text, bool one_line)
{
	size_t n = strlen(text);
	_cleanup_buf_ struct buf out = BUF_INIT(10 * n + 1);

	if (put(&out, text, n, one_line ? "" : "\n\t", UINT32_MAX) < 0 || buf_append(&out, "", 1) < 0)
		return NULL;
	return buf_steal(&out, NULL);
}
