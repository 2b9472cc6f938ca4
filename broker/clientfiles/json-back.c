/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes a change of a JSON file back although the file was edited since: what the change took away is put back, what it
 * added goes if it is still as it was added, and all else stays. Objects are compared member by member, to any depth;
 * what the edit took away altogether is left alone.
 */
#include "broker/clientfiles/edit.h"
#include "broker/clientfiles/jsonc.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

enum { DEPTH_MAX = 8, MEMBERS_MAX = 1024, TEXT_MAX = 17 * 1024 * 1024 };

struct back {
	struct span before, before_plain; /* as it is written, and as it is walked */
	struct json_edit now;
};

static struct span member_of(struct span object, struct span key)
{
	_cleanup_free_ char *name = span_strdup(key, 4096);

	return name ? span_member(object, name) : SPAN_NONE;
}

static bool same_value(struct span a, struct span b)
{
	json_t *one = json_loadb(a.p, a.len, JSON_DECODE_ANY, NULL),
	       *other = json_loadb(b.p, b.len, JSON_DECODE_ANY, NULL);
	bool same = one && other && json_equal(one, other);

	json_decref(one);
	json_decref(other);
	return same;
}

struct going {
	struct span before, after, now;
};

/* Added by the change, and as it was added. */
static bool goes(void *user, struct span key)
{
	const struct going *g = user;
	struct span added = member_of(g->after, key), now = member_of(g->now, key);

	return added.p && now.p && !member_of(g->before, key).p && same_value(added, now);
}

/* The member as it was written, comments inside of it included; on the heap. */
static char *member_text(const struct back *b, struct span key, struct span value)
{
	size_t from = (size_t)(key.p - b->before_plain.p), to = (size_t)(value.p - b->before_plain.p) + value.len;

	return strndup(b->before.p + from, to - from);
}

/* One object: members that the change took away, and that nobody has put back since, take the place of those that it
 * added. */
static int take_back(const struct back *b, const struct going *g)
{
	char **items = calloc(MEMBERS_MAX, sizeof(*items));
	struct span key, value;
	size_t at = 0, count = 0;
	int r = items ? 0 : -ENOMEM;

	while (r == 0 && span_next_member(g->before, &at, &key, &value)) {
		if (member_of(g->after, key).p || member_of(g->now, key).p)
			continue;
		if (count == MEMBERS_MAX || !(items[count] = member_text(b, key, value)))
			r = -E2BIG;
		else
			count++;
	}
	if (r == 0)
		r = json_edit_remove(&b->now, g->now, goes, (void *)(uintptr_t)g, (const char *const *)items, count);
	for (size_t i = 0; i < count; i++)
		free(items[i]);
	free(items);
	return r;
}

static int walk(const struct back *b, const struct going *g, int depth)
{
	struct span key, value;
	size_t at = 0;
	int r = take_back(b, g);

	while (r == 0 && depth < DEPTH_MAX && span_next_member(g->before, &at, &key, &value)) {
		const struct going inner = {value, member_of(g->after, key), member_of(g->now, key)};

		if (span_type(inner.before) == SPAN_OBJECT && span_type(inner.after) == SPAN_OBJECT &&
		    span_type(inner.now) == SPAN_OBJECT && !same_value(inner.before, inner.after))
			r = walk(b, &inner, depth + 1);
	}
	return r;
}

static int plain_of(struct span text, struct buf *plain, struct span *ret_plain, struct span *ret_root,
		    struct error *err)
{
	int r = jsonc_plain(text, plain, ret_root, err);

	*ret_plain = span_of(buf_head(plain), plain->len);
	return r < 0 || span_type(*ret_root) == SPAN_OBJECT ? r : error_set(err, -EINVAL, "it is no object");
}

int json_edit_back(struct span before, struct span after, struct span now, struct buf *out, struct error *err)
{
	_cleanup_buf_ struct buf one = BUF_INIT(TEXT_MAX), two = BUF_INIT(TEXT_MAX), three = BUF_INIT(TEXT_MAX);
	_cleanup_edit_ struct edit edit = {0};
	struct back b = {.before = before, .now = {.text = now, .edit = &edit}};
	struct span after_plain;
	struct going root;
	int r = plain_of(before, &one, &b.before_plain, &root.before, err);

	if (r == 0)
		r = plain_of(after, &two, &after_plain, &root.after, err);
	if (r == 0)
		r = plain_of(now, &three, &b.now.plain, &root.now, err);
	if (r < 0)
		return r;
	r = walk(&b, &root, 0);
	if (r == 0)
		r = edit_apply(&edit, now, out);
	return r < 0 && !err->code ? error_set(err, r, "it cannot be edited") : r;
}
