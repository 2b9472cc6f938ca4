/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A member is taken out with its comma; comments around it stay. When it filled its lines alone, the lines go too.
 */
#include "broker/clientfiles/edit.h"

#include <errno.h>
#include <string.h>

enum { ITEMS_MAX = 1024, TEXT_MAX = 17 * 1024 * 1024 };

struct item {
	size_t at, end; /* from the key to behind the value */
	size_t comma; /* of the comma behind it; 0: none (an item never begins a text) */
	bool goes;
};

static size_t offset(const struct json_edit *j, const char *p)
{
	return (size_t)(p - j->plain.p);
}

/* The comma behind an item, as the file has it: one that was blanked (behind the last) is there all the same, but a
 * comma in a comment is none. */
static size_t find_comma(const struct json_edit *j, size_t from, size_t end)
{
	for (size_t i = from; i < end; i++) {
		const char *p = j->text.p + i, *close;

		if (*p == ',')
			return i;
		if (*p == '/' && i + 1 < end && p[1] == '/') {
			close = memchr(p, '\n', end - i);
			i = close ? offset(j, j->plain.p + (close - j->text.p)) : end;
		} else if (*p == '/' && i + 1 < end && p[1] == '*') {
			close = memmem(p + 2, end - i - 2, "*/", 2);
			i = close ? (size_t)(close - j->text.p) + 1 : end;
		}
	}
	return 0;
}

static int list_items(const struct json_edit *j, struct span container, struct item **ret, size_t *ret_count)
{
	size_t at = 0, count = 0, close = offset(j, container.p) + container.len - 1;
	struct item *items = calloc(ITEMS_MAX, sizeof(*items));
	bool object = container.p[0] == '{';
	struct span key, value;

	if (!items)
		return -ENOMEM;
	while (object ? span_next_member(container, &at, &key, &value) : span_next_element(container, &at, &value)) {
		if (count == ITEMS_MAX) {
			free(items);
			return -E2BIG;
		}
		items[count].at = offset(j, object ? key.p : value.p);
		items[count++].end = offset(j, value.p) + value.len;
	}
	for (size_t i = 0; i < count; i++)
		items[i].comma = find_comma(j, items[i].end, i + 1 < count ? items[i + 1].at : close);
	*ret = items;
	*ret_count = count;
	return 0;
}

static bool is_blank(char ch)
{
	return ch == ' ' || ch == '\t';
}

/* Widens [from, to) to whole lines when nothing else stands on them; else to the blanks on one side. */
static void widen(struct span text, bool back, size_t *from, size_t *to)
{
	size_t a = *from, b = *to;

	while (a > 0 && is_blank(text.p[a - 1]))
		a--;
	while (b < text.len && is_blank(text.p[b]))
		b++;
	if (b < text.len && text.p[b] == '\r')
		b++;
	if ((a == 0 || text.p[a - 1] == '\n') && b < text.len && text.p[b] == '\n') {
		*from = a;
		*to = b + 1;
	} else if (back) {
		*from = a;
	} else {
		while (*to < text.len && is_blank(text.p[*to]))
			++*to;
	}
}

static bool only_blanks(struct span text, size_t from, size_t to)
{
	while (from < to && (is_blank(text.p[from]) || text.p[from] == '\r' || text.p[from] == '\n'))
		from++;
	return from == to;
}

/* back: what stands before it stays, so the blanks between them are nobody else's. */
static int take_out(const struct json_edit *j, const struct item *item, bool back)
{
	size_t from = item->at, to = item->end;
	int r = 0;

	if (item->comma && only_blanks(j->text, item->end, item->comma))
		to = item->comma + 1;
	else if (item->comma)
		r = edit_splice(j->edit, item->comma, 1, "");
	widen(j->text, !item->comma && back, &from, &to);
	return r < 0 ? r : edit_splice(j->edit, from, to - from, "");
}

/* When the last goes and had no comma behind it, the last that stays loses its own. */
static int mend_last_comma(const struct json_edit *j, const struct item *items, size_t count)
{
	size_t stays = count;

	while (stays > 0 && items[stays - 1].goes)
		stays--;
	if (stays == 0 || stays == count || items[count - 1].comma)
		return 0;
	return edit_splice(j->edit, items[stays - 1].comma, 1, "");
}

/* ---- new ones ---- */

/* What stands between two items: a line break with the indentation of the one at a place, or a blank. */
static int separator(const struct json_edit *j, size_t at, struct buf *out)
{
	size_t line = at;

	while (line > 0 && is_blank(j->text.p[line - 1]))
		line--;
	if (line > 0 && j->text.p[line - 1] != '\n')
		return buf_append_str(out, " ");
	if (buf_append_str(out, edit_line_break(j->text)) < 0)
		return -E2BIG;
	return buf_append(out, j->text.p + line, at - line);
}

static int join(const struct buf *between, const char *const *items, size_t count, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (i > 0)
			r = buf_append_str(out, ",");
		if (r == 0 && i > 0)
			r = buf_append(out, buf_head(between), between->len);
		if (r == 0)
			r = buf_append_str(out, items[i]);
	}
	return r;
}

/* Into {} or []: on lines of their own, indented by two blanks more than the line of the bracket. */
static int fill_empty(const struct json_edit *j, struct span container, const char *const *items, size_t count)
{
	size_t open = offset(j, container.p), close = open + container.len - 1, line = open, indent;
	_cleanup_buf_ struct buf between = BUF_INIT(4096), out = BUF_INIT(TEXT_MAX);
	_cleanup_free_ char *text = NULL;
	int r;

	while (line > 0 && j->text.p[line - 1] != '\n')
		line--;
	for (indent = line; indent < open && is_blank(j->text.p[indent]);)
		indent++;
	r = buf_printf(&between, "%s%.*s  ", edit_line_break(j->text), (int)(indent - line), j->text.p + line);
	if (r == 0)
		r = buf_append(&out, buf_head(&between), between.len);
	if (r == 0)
		r = join(&between, items, count, &out);
	if (r == 0 && only_blanks(j->text, open + 1, close)) {
		r = buf_printf(&out, "%s%.*s", edit_line_break(j->text), (int)(indent - line), j->text.p + line);
		if (r == 0 && (text = buf_steal(&out, NULL)))
			return edit_splice(j->edit, open + 1, close - open - 1, text);
	}
	if (r == 0)
		text = buf_steal(&out, NULL); /* comments stand in there: they stay behind it */
	return text ? edit_splice(j->edit, open + 1, 0, text) : -ENOMEM;
}

int json_edit_insert(const struct json_edit *j, struct span container, size_t before, const char *const *items,
		     size_t count)
{
	_cleanup_buf_ struct buf between = BUF_INIT(4096), out = BUF_INIT(TEXT_MAX);
	_cleanup_free_ struct item *there = NULL;
	_cleanup_free_ char *text = NULL;
	bool last;
	size_t n;
	int r = list_items(j, container, &there, &n);

	if (r < 0)
		return r;
	if (n == 0)
		return fill_empty(j, container, items, count);
	last = before >= n;
	r = separator(j, there[last ? 0 : before].at, &between);
	if (r == 0 && last)
		r = buf_append_str(&out, there[n - 1].comma ? "" : ",");
	if (r == 0 && last)
		r = buf_append(&out, buf_head(&between), between.len);
	if (r == 0)
		r = join(&between, items, count, &out);
	if (r == 0 && !last)
		r = buf_append_str(&out, ",");
	if (r == 0 && !last)
		r = buf_append(&out, buf_head(&between), between.len);
	if (r == 0 && last && there[n - 1].comma)
		r = buf_append_str(&out, ",");
	text = r == 0 ? buf_steal(&out, NULL) : NULL;
	if (!text)
		return r < 0 ? r : -ENOMEM;
	if (!last)
		return edit_splice(j->edit, there[before].at, 0, text);
	return edit_splice(j->edit, there[n - 1].comma ? there[n - 1].comma + 1 : there[n - 1].end, 0, text);
}

int json_edit_remove_element(const struct json_edit *j, struct span array, size_t number)
{
	_cleanup_free_ struct item *items = NULL;
	size_t count;
	int r = list_items(j, array, &items, &count);

	if (r < 0 || number >= count)
		return r < 0 ? r : -ENOENT;
	items[number].goes = true;
	r = take_out(j, &items[number], true);
	return r < 0 ? r : mend_last_comma(j, items, count);
}

/* The items where another one stood. */
static int replace(const struct json_edit *j, const struct item *item, const char *const *instead, size_t count)
{
	_cleanup_buf_ struct buf between = BUF_INIT(4096), out = BUF_INIT(TEXT_MAX);
	_cleanup_free_ char *text = NULL;
	int r = separator(j, item->at, &between);

	if (r == 0)
		r = join(&between, instead, count, &out);
	text = r == 0 ? buf_steal(&out, NULL) : NULL;
	return text ? edit_splice(j->edit, item->at, item->end - item->at, text) : -ENOMEM;
}

int json_edit_remove(const struct json_edit *j, struct span object, bool (*goes)(void *user, struct span key),
		     void *user, const char *const *instead, size_t instead_count)
{
	_cleanup_free_ struct item *items = NULL;
	struct span key, value;
	size_t count, at = 0;
	int r = list_items(j, object, &items, &count);

	for (size_t i = 0; r == 0 && i < count && span_next_member(object, &at, &key, &value); i++) {
		items[i].goes = goes(user, key);
		if (!items[i].goes)
			continue;
		if (instead_count > 0) {
			items[i].goes = false;
			r = replace(j, &items[i], instead, instead_count);
			instead_count = 0;
		} else {
			r = take_out(j, &items[i], i == 0 || !items[i - 1].goes);
		}
	}
	if (r == 0)
		r = mend_last_comma(j, items, count);
	return r == 0 && instead_count > 0 ? json_edit_insert(j, object, 0, instead, instead_count) : r;
}
