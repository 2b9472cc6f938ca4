/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_SCHEMA_COMPILE_H
#define HAWSER_POLICY_SCHEMA_COMPILE_H

#include "policy/schema/node.h"

/* Text -> nodes, for compile.c, keywords.c and refs.c. */

struct schema_compiler {
	struct schema *schema;
	int code; /* -E2BIG, -ENOMEM */
};

/* compile.c: a new node of c->schema; NULL: c->code says why. */
struct schema_node *schema_compile_node(struct schema_compiler *c, struct span text);
/* Zeroed, for at least one; NULL: c->code is set. */
void *schema_room(struct schema_compiler *c, size_t count, size_t size);

/* keywords.c: reads all members of text into node. */
void schema_read_keywords(struct schema_compiler *c, struct schema_node *node, struct span text);

/* refs.c: sets ref of every node that names a part of the document, and compiles these parts. */
void schema_resolve_refs(struct schema_compiler *c);

#endif
