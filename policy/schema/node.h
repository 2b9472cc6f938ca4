/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_POLICY_SCHEMA_NODE_H
#define HAWSER_POLICY_SCHEMA_NODE_H

#include "policy/schema/schema.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

/* A compiled schema: a graph of nodes, closed by $ref. Spans point into the schema's own copy of its text. */
enum {
	SCHEMA_TEXT_MAX = 4 << 20,
	SCHEMA_NODES_MAX = 50000,
	SCHEMA_TARGETS_MAX = 5000, /* of $ref */
	SCHEMA_LOOKED_MAX = 512 << 20,
	SCHEMA_FAULTS_MAX = 10,
	SCHEMA_NEAR_MAX = 200, /* properties of which the nearest name is looked for */
	/* A step is about 0.1 us. What a brief check may take; a full one by the bytes of its value; any. */
	SCHEMA_STEPS_BRIEF = 10 * 1000,
	SCHEMA_STEPS_LEAST = 1000 * 1000,
	SCHEMA_STEPS_BYTE = 2,
	SCHEMA_STEPS_MAX = 20 * 1000 * 1000,
	SCHEMA_DEPTH_MAX = 512,
};

/* Bits of node.types; INTEGER is a NUMBER too. */
enum {
	TYPE_OBJECT = 1,
	TYPE_ARRAY = 2,
	TYPE_STRING = 4,
	TYPE_NUMBER = 8,
	TYPE_INTEGER = 16,
	TYPE_BOOLEAN = 32,
	TYPE_NULL = 64
};

struct schema_nodes {
	struct schema_node **items;
	size_t count;
};
struct schema_strings {
	char **items;
	size_t count;
};
struct schema_property {
	char *name;
	struct schema_node *node;
};
struct schema_pattern {
	char *source;
	pcre2_code *code; /* NULL: not understood, matches everything */
	struct schema_node *node; /* patternProperties */
};
struct schema_dependent {
	char *name;
	struct schema_strings names;
	struct schema_node *node;
};

struct schema_node {
	const char *at; /* where its text begins: its identity for $ref */
	bool never; /* the schema false */
	unsigned types; /* 0 = any */
	struct span values, constant; /* enum, const */
	struct schema_node *ref;
	struct span ref_text; /* until it is resolved */
	/* objects */
	struct schema_property *properties;
	size_t property_count;
	struct schema_strings required;
	struct schema_pattern *patterns;
	size_t pattern_count;
	struct schema_dependent *dependents;
	size_t dependent_count;
	struct schema_node *additional, *names;
	struct span min_properties, max_properties;
	/* arrays */
	struct schema_nodes prefix;
	struct schema_node *items, *rest, *contains; /* rest: additionalItems */
	struct span min_items, max_items, min_contains, max_contains;
	bool unique;
	/* strings and numbers */
	struct span min_length, max_length;
	struct schema_pattern pattern;
	struct span minimum, maximum, above, below, multiple; /* above, below: exclusive */
	/* combinations */
	struct schema_nodes all, any, one;
	struct schema_node *not_, *if_, *then_, *else_;
	struct schema_node *next; /* all nodes, for freeing */
};

struct schema {
	char *text;
	struct span whole;
	struct schema_node *root, *nodes;
	size_t node_count;
};

/* One check. Where faults is NULL, only the answer is wanted. */
struct schema_run {
	struct buf *faults;
	size_t fault_count;
	uint64_t steps, steps_max;
	unsigned depth;
	bool brief; /* patterns get little time */
	bool exhausted;
	char path[512]; /* JSON pointer of the value that is looked at; cut when longer */
	size_t path_len;
};

bool schema_node_check(struct schema_run *run, const struct schema_node *node, struct span value);
bool schema_object_check(struct schema_run *run, const struct schema_node *node, struct span value);
bool schema_array_check(struct schema_run *run, const struct schema_node *node, struct span value);
bool schema_same(struct schema_run *run, struct span a, struct span b);
/* Charges n steps; false: there are none left. */
bool schema_charge(struct schema_run *run, uint64_t n);
/* What going over the text of a value once costs. */
uint64_t schema_walk_steps(struct span value);
/* The check of a part, of which only the answer counts. */
bool schema_quiet(struct schema_run *run, const struct schema_node *node, struct span value);
unsigned schema_types_of(struct span value);
/* Does the text match? Over its limits: no. Also "no" sets exhausted then. */
bool schema_pattern_matches(struct schema_run *run, const struct schema_pattern *pattern, struct span literal);

/* Path: returns what schema_path_pop() wants. */
size_t schema_path_key(struct schema_run *run, struct span key);
size_t schema_path_index(struct schema_run *run, size_t index);
void schema_path_pop(struct schema_run *run, size_t len);

/* Faults; all return false. */
bool fault_text(struct schema_run *run, const char *fmt, ...) _printf_(2, 3);
bool fault_type(struct schema_run *run, unsigned wanted, struct span value);
bool fault_missing(struct schema_run *run, const struct schema_node *node, const char *name);
bool fault_unknown(struct schema_run *run, const struct schema_node *node, struct span key);
bool fault_enum(struct schema_run *run, const struct schema_node *node, struct span value);
bool fault_limit(struct schema_run *run, struct span value, const char *must, struct span limit, const char *unit);
/* At most 60 bytes of a value, for a message. */
const char *fault_shown(struct span value, char text[80]);

#endif
