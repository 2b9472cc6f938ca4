/* SPDX-License-Identifier: Apache-2.0 */
#include "base/visible.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static int put(struct buf *out, const char *text, size_t n, const char *as_they_are, uint32_t most)
{
	int r = 0;

	while (n > 0 && r == 0) {
		size_t width = utf8_width(text, n);
		uint32_t c = width ? utf8_get(text, width) : 0xfffd;

		if (!width)
			r = buf_append_str(out, "\\ufffd");
		else if (c <= most && (!utf8_is_unseen(c) || (c && c < 0x80 && strchr(as_they_are, (int)c))))
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
