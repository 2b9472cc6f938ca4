/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BASE_JSON_H
#define HAWSER_BASE_JSON_H

#include "base/buf.h"
#include "base/error.h"
#include "base/span.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * Static tables that decode a JSON object into a C struct, check it, and print their own JSON Schema: one table is what
 * the code, the tool's inputSchema, the docs and `hawser config show` read. For our own small messages; bodies travel
 * as spans (base/span.h).
 */
enum json_kind {
	JSON_KIND_STRING, /* char *, owned */
	JSON_KIND_INTEGER, /* int64_t */
	JSON_KIND_BOOLEAN, /* bool */
	JSON_KIND_ENUM, /* int: index into names */
	JSON_KIND_STRINGS, /* struct json_strings, owned */
	JSON_KIND_RAW, /* json_t *, a reference is held */
	JSON_KIND_SPAN, /* struct span, borrowed from the text: any value, as it is written; json_table_read() alone
			   fills it */
};

struct json_strings {
	char **items; /* NULL-terminated */
	size_t count;
};

struct json_field {
	const char *name;
	enum json_kind kind;
	size_t offset;
	bool required;
	int64_t least,
		most; /* integer: range; string, span: bytes; strings: count. most 0 = 4096 for strings, INT64_MAX */
	const char *const *names; /* enum: spellings, NULL-terminated; the first of equal index counts */
	const char *alias; /* another accepted spelling of name, not advertised */
	const char *text; /* one sentence for schema, help and docs, with the unit */
	int64_t preset; /* integer, boolean, enum: value when absent */
};

/* A table with what it is about, for help; lists of them end with title NULL. */
struct json_keys {
	const char *title;
	const struct json_field *table;
	size_t count;
};

/* Fills the struct at data from object. The first ten faults are in one error, one line each: "timeout_ms: 99999999 is
 * over 900000". Unknown keys are faults too (nearest known name is offered) unless lax. On failure data is as
 * json_table_done() leaves it. */
int json_table_decode(const struct json_field *table, size_t count, json_t *object, bool lax, void *data,
		      struct error *err) _must_check_;
/* The same from the text of an object (SPAN_NONE: an empty one) that span_check() accepted. Raw members are checked
 * strictly. */
int json_table_read(const struct json_field *table, size_t count, struct span object, bool lax, void *data,
		    struct error *err) _must_check_;
/* Frees what the struct owns and zeroes the fields. */
void json_table_done(const struct json_field *table, size_t count, void *data);
/* {"type":"object","properties":{...},"required":[...],"additionalProperties":false} */
int json_table_schema(const struct json_field *table, size_t count, struct buf *out) _must_check_;
/* Parses text (len bytes, objects and arrays, duplicate keys refused); new reference. */
int json_parse(const char *text, size_t len, json_t **ret, struct error *err) _must_check_;
/* Compact text of value appended to out. */
int json_print(struct buf *out, const json_t *value) _must_check_;
/* The name in names (NULL-terminated) nearest to wrong, or NULL if none is near: "did you mean". */
const char *json_nearest(const char *wrong, const char *const *names);

#endif
