/* SPDX-License-Identifier: Apache-2.0 */
/* $ref, behind the first pass and by a list, so that no chain of them recurses. */
#include "policy/schema/compile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* "#/a/%25b" -> "/a/%b"; false: not a pointer into this document. */
static bool local_pointer(char *ref)
{
	char *out = ref;

	if (ref[0] != '#' || (ref[1] && ref[1] != '/'))
		return false;
	for (const char *p = ref + 1; *p; p++) {
		unsigned byte;

		if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1 && byte && strlen(p) >= 3) {
			*out++ = (char)byte;
			p += 2;
		} else {
			*out++ = *p;
		}
	}
	*out = '\0';
	return true;
}

struct known {
	const char *at;
	struct schema_node *node;
};
struct refs {
	struct known *items;
	size_t count, cap;
};

static struct schema_node *target_of(struct schema_compiler *c, struct refs *refs, struct span text)
{
	struct schema_node *node;

	for (size_t i = 0; i < refs->count; i++)
		if (refs->items[i].at == text.p)
			return refs->items[i].node;
	if (refs->count >= SCHEMA_TARGETS_MAX)
		c->code = -E2BIG;
	if (c->code < 0)
		return NULL;
	if (refs->count == refs->cap) {
		struct known *items = realloc(refs->items, (refs->cap + 64) * sizeof(*items));

		if (!items) {
			c->code = -ENOMEM;
			return NULL;
		}
		refs->items = items;
		refs->cap += 64;
	}
	node = schema_compile_node(c, text);
	refs->items[refs->count++] = (struct known){text.p, node};
	return node;
}

/* Compiling a target may add nodes in front of the list; they are looked at in the next round. */
void schema_resolve_refs(struct schema_compiler *c)
{
	struct refs refs = {.items = NULL};
	struct schema_node *done = NULL;
	size_t looked = 0; /* bytes gone through to find targets, at most */

	while (c->schema->nodes != done && c->code == 0) {
		struct schema_node *first = c->schema->nodes;

		for (struct schema_node *node = first; node != done && c->code == 0; node = node->next) {
			_cleanup_free_ char *ref = node->ref_text.p ? span_strdup(node->ref_text, 4096) : NULL;
			struct span target =
				ref && local_pointer(ref) ? span_pointer(c->schema->whole, ref) : SPAN_NONE;

			looked += ref ? c->schema->whole.len : 0;
			if (looked > SCHEMA_LOOKED_MAX)
				c->code = -E2BIG;
			if (target.p && c->code == 0)
				node->ref =
					target.p == c->schema->whole.p ? c->schema->root : target_of(c, &refs, target);
		}
		done = first;
	}
	free(refs.items);
}
