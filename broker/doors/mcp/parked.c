/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/doors/mcp/parked.h"

#include <stdlib.h>
#include <string.h>

static void line_done(struct parked_line *l)
{
	free(l->text);
	free(l->id);
}

bool parked_add(struct parked *p, struct span id, struct span line)
{
	struct parked_line *lines, *l;

	if (p->count >= PARKED_LINES_MAX || line.len > PARKED_BYTES_MAX - p->bytes)
		return false;
	lines = realloc(p->lines, (p->count + 1) * sizeof(*lines));
	if (!lines)
		return false;
	p->lines = lines;
	l = &lines[p->count];
	*l = (struct parked_line){strndup(line.p, line.len), strndup(id.p, id.len), line.len};
	if (!l->text || !l->id) {
		line_done(l);
		return false;
	}
	p->count++;
	p->bytes += line.len;
	return true;
}

bool parked_remove(struct parked *p, struct span id)
{
	for (size_t i = 0; i < p->count; i++) {
		if (!span_equals(id, p->lines[i].id))
			continue;
		p->bytes -= p->lines[i].len;
		line_done(&p->lines[i]);
		memmove(p->lines + i, p->lines + i + 1, (--p->count - i) * sizeof(*p->lines));
		return true;
	}
	return false;
}

void parked_done(struct parked *p)
{
	for (size_t i = 0; i < p->count; i++)
		line_done(&p->lines[i]);
	free(p->lines);
	*p = (struct parked){0};
}
