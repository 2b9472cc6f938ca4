/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/clientfiles/edit.h"

#include <errno.h>
#include <string.h>

void edit_done(struct edit *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->splices[i].text);
	free(e->splices);
	*e = (struct edit){0};
}

int edit_splice(struct edit *e, size_t at, size_t len, const char *text)
{
	struct edit_splice *all;
	char *copy;

	if (e->count >= EDIT_SPLICES_MAX)
		return -E2BIG;
	all = realloc(e->splices, (e->count + 1) * sizeof(*all));
	if (!all)
		return -ENOMEM;
	e->splices = all;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	all[e->count] = (struct edit_splice){at, len, copy, e->count};
	e->count++;
	return 0;
}

static int by_place(const void *a, const void *b)
{
	const struct edit_splice *one = a, *other = b;

	if (one->at != other->at)
		return one->at < other->at ? -1 : 1;
	if ((one->len == 0) != (other->len == 0))
		return one->len == 0 ? -1 : 1; /* an insertion comes before what it stands at */
	return one->order < other->order ? -1 : 1;
}

int edit_apply(struct edit *e, struct span text, struct buf *out)
{
	size_t at = 0;
	int r = 0;

	if (e->count > 0)
		qsort(e->splices, e->count, sizeof(*e->splices), by_place);
	for (size_t i = 0; r == 0 && i < e->count; i++) {
		const struct edit_splice *s = &e->splices[i];

		if (s->at < at || s->at > text.len || s->len > text.len - s->at)
			return -EINVAL;
		r = buf_append(out, text.p + at, s->at - at);
		if (r == 0)
			r = buf_append_str(out, s->text);
		at = s->at + s->len;
	}
	return r < 0 ? r : buf_append(out, text.p + at, text.len - at);
}

const char *edit_line_break(struct span text)
{
	const char *end = text.len ? memchr(text.p, '\n', text.len) : NULL;

	return end && end > text.p && end[-1] == '\r' ? "\r\n" : "\n";
}
