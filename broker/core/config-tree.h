/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CONFIG_TREE_H
#define HAWSER_BROKER_CORE_CONFIG_TREE_H

#include "base/json.h"
#include "base/span.h"

/*
 * What both readers (YAML, JSON) make of a file: one neutral tree in which each node knows its line, and the list of
 * faults that all steps of reading add to. Internal to config*.c.
 */
enum {
	CONFIG_FILE_MAX = 1024 * 1024,
	CONFIG_DEPTH_MAX = 32,
	CONFIG_ENTRIES_MAX = 4096, /* of one object or array: keeps the search for duplicate keys cheap */
	CONFIG_FAULTS_MAX = 50,
	CONFIG_NOTES_MAX = 200,
};

enum config_kind {
	CONFIG_NULL,
	CONFIG_BOOLEAN,
	CONFIG_INTEGER,
	CONFIG_REAL,
	CONFIG_STRING,
	CONFIG_ARRAY,
	CONFIG_OBJECT,
};

struct config_node {
	enum config_kind kind;
	int line;
	char *key; /* when it is a member of an object */
	int key_line;
	char *text; /* scalars: as written (strings: decoded), without NUL inside */
	int64_t integer;
	bool boolean;
	struct config_node *first, *last, *next;
	size_t count;
};

struct config_node *config_node_new(enum config_kind kind, int line);
struct config_node *config_node_free(struct config_node *n);
static inline void config_node_freep(struct config_node **n)
{
	*n = config_node_free(*n);
}
/* Takes child over, whatever comes of it. key NULL: array. 0, -EEXIST (key is there already), -E2BIG. */
int config_node_add(struct config_node *parent, struct config_node *child, const char *key, int key_line);
const struct config_node *config_node_member(const struct config_node *object, const char *key);
/* The deepest node on the way of an RFC 6901 pointer; never NULL. */
const struct config_node *config_node_pointer(const struct config_node *root, const char *pointer);
json_t *config_node_json(const struct config_node *n);
const char *config_kind_name(enum config_kind kind); /* "a list" */
/* Decides what a plain (unquoted) scalar is; text is taken over. JSON's own numbers and words, nothing more. */
void config_node_set_plain(struct config_node *n, char *text);

/* ---- faults: one line each ---- */
struct config_faults {
	struct buf text;
	size_t count;
};
void config_fault(struct config_faults *faults, const char *file, int line, const char *fmt, ...) _printf_(4, 5);
void config_vfault(struct config_faults *faults, const char *file, int line, const char *fmt, va_list args)
	_printf_(4, 0);
/* Moves the faults into err (-EINVAL); 0 if there are none. */
int config_faults_finish(struct config_faults *faults, struct error *err);
void config_faults_done(struct config_faults *faults);

/* ---- the two readers: NULL after adding at least one fault ---- */
struct config_node *config_read_yaml(const char *file, const char *text, size_t len, struct config_faults *faults);
struct config_node *config_read_json(const char *file, const char *text, size_t len, struct config_faults *faults);

int config_strings_add(struct json_strings *list, const char *text) _must_check_;
bool config_strings_has(const struct json_strings *list, const char *text);
void config_strings_done(struct json_strings *list);

#endif
