/* SPDX-License-Identifier: Apache-2.0 */
/* What a change does to a file, line by line: the longest common lines between the ends that are equal anyway. */
#include "broker/cli/diff.h"

#include "broker/cli/cli.h"

#include "base/visible.h"

#include <stdio.h>
#include <string.h>

enum { CONTEXT = 2, CELLS_MAX = 4 * 1024 * 1024 };

struct lines {
	struct span *items;
	size_t count;
};

static int split(const struct buf *text, struct lines *ret)
{
	const char *p = (const char *)buf_head(text), *end = p + text->len, *next;
	size_t count = 0;

	for (const char *c = p; c && c < end && (c = memchr(c, '\n', (size_t)(end - c))); c++)
		count++;
	ret->items = calloc(count + 2, sizeof(*ret->items));
	if (!ret->items)
		return -1;
	for (; p && p < end; p = next) {
		next = memchr(p, '\n', (size_t)(end - p));
		next = next ? next + 1 : end;
		ret->items[ret->count++] = span_of(p, (size_t)(next - p));
	}
	return 0;
}

static bool equal(struct span a, struct span b)
{
	return a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
}

static void print_line(char mark, struct span line)
{
	size_t n = line.len;
	_cleanup_free_ char *text = NULL, *shown = NULL;

	while (n > 0 && (line.p[n - 1] == '\n' || line.p[n - 1] == '\r'))
		n--;
	/* Escapes, not marks: what a file has hidden shall be told from what it has. */
	text = strndup(line.p, n);
	shown = text ? visible_text(text, false) : NULL;
	printf("%c%s\n", mark, shown ? shown : "?");
}

struct diff {
	struct lines a, b;
	size_t from, a_to, b_to; /* lines before from, and behind to, are equal */
	uint32_t *cells; /* length of the longest common lines from (i, k) on; NULL: too many lines to look */
};

static uint32_t *cell(const struct diff *d, size_t i, size_t k)
{
	return &d->cells[(i - d->from) * (d->b_to - d->from + 1) + (k - d->from)];
}

static void measure(struct diff *d)
{
	while (d->from < d->a.count && d->from < d->b.count && equal(d->a.items[d->from], d->b.items[d->from]))
		d->from++;
	d->a_to = d->a.count;
	d->b_to = d->b.count;
	while (d->a_to > d->from && d->b_to > d->from && equal(d->a.items[d->a_to - 1], d->b.items[d->b_to - 1])) {
		d->a_to--;
		d->b_to--;
	}
	if ((d->a_to - d->from + 1) > CELLS_MAX / (d->b_to - d->from + 1))
		return;
	d->cells = calloc((d->a_to - d->from + 1) * (d->b_to - d->from + 1), sizeof(*d->cells));
	for (size_t i = d->a_to; d->cells && i-- > d->from;)
		for (size_t k = d->b_to; k-- > d->from;) {
			uint32_t down = *cell(d, i + 1, k), right = *cell(d, i, k + 1);

			*cell(d, i, k) = equal(d->a.items[i], d->b.items[k]) ? *cell(d, i + 1, k + 1) + 1
					 : down > right                      ? down
									     : right;
		}
}

/* Equal lines [from, to) of a: only those next to a change are shown. */
static void print_equal(const struct diff *d, size_t from, size_t to, bool before, bool behind)
{
	for (size_t i = from; i < to; i++) {
		if ((before && i - from < CONTEXT) || (behind && to - i <= CONTEXT))
			print_line(' ', d->a.items[i]);
		else if (i == from + (before ? CONTEXT : 0))
			puts("...");
	}
}

static void print_changed(const struct diff *d)
{
	size_t i = d->from, k = i, same = 0;

	while (i < d->a_to || k < d->b_to) {
		if (d->cells && i < d->a_to && k < d->b_to && equal(d->a.items[i], d->b.items[k])) {
			same++;
			i++;
			k++;
			continue;
		}
		print_equal(d, i - same, i, true, true);
		same = 0;
		if (i < d->a_to && (k == d->b_to || !d->cells || *cell(d, i + 1, k) >= *cell(d, i, k + 1)))
			print_line('-', d->a.items[i++]);
		else
			print_line('+', d->b.items[k++]);
	}
}

void diff_print(const char *a_name, const struct buf *a, const char *b_name, const struct buf *b)
{
	_cleanup_free_ char *from = visible_text(a_name ? a_name : "/dev/null", true), *to = visible_text(b_name, true);
	struct diff d = {0};

	printf("--- %s\n+++ %s\n", from ? from : "?", to ? to : "?");
	if (split(a, &d.a) == 0 && split(b, &d.b) == 0) {
		measure(&d);
		print_equal(&d, 0, d.from, false, true);
		print_changed(&d);
		print_equal(&d, d.a_to, d.a.count, true, false);
	}
	puts("");
	free(d.cells);
	free(d.a.items);
	free(d.b.items);
}
