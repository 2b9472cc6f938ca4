/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML by libyaml's events. Only what a JSON file could say too is taken: no aliases (a small file could become a huge
 * tree), no tags, one document, plain words true/false/null only, so that `no` and `on` stay the text they look like.
 */
#include "broker/core/config-tree.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

struct yaml_reader {
	yaml_parser_t parser;
	const char *file;
	struct config_faults *faults;
};

static struct config_node *read_node(struct yaml_reader *y, yaml_event_t *event, int depth);

static int line_of(const yaml_event_t *event)
{
	return (int)event->start_mark.line + 1;
}

static bool next_event(struct yaml_reader *y, yaml_event_t *event)
{
	const char *hint;

	if (yaml_parser_parse(&y->parser, event))
		return true;
	hint = y->parser.problem && strstr(y->parser.problem, "escape code")
		       ? "; YAML knows no surrogate pairs: write the character itself, or name the file .json"
	       : y->parser.problem && strstr(y->parser.problem, "cannot start any token")
		       ? "; indent with spaces, and quote text that begins with a special character"
		       : "; see the lines above it too";
	config_fault(y->faults, y->file,
		     (int)(y->parser.problem_mark.line ? y->parser.problem_mark.line : y->parser.context_mark.line) + 1,
		     "this is not YAML: %s%s%s%s", y->parser.problem ? y->parser.problem : "unreadable",
		     y->parser.context ? " " : "", y->parser.context ? y->parser.context : "", hint);
	return false;
}

static bool tag_is_plain(const yaml_char_t *tag)
{
	return !tag || strcmp((const char *)tag, "!") == 0 || strcmp((const char *)tag, YAML_STR_TAG) == 0;
}

static struct config_node *read_scalar(struct yaml_reader *y, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	struct config_node *n;
	char *text;

	if (!tag_is_plain(event->data.scalar.tag)) {
		config_fault(y->faults, y->file, line_of(event), "tag %s is not known here; leave it out",
			     (const char *)event->data.scalar.tag);
		return NULL;
	}
	if (strlen(value) != event->data.scalar.length) {
		config_fault(y->faults, y->file, line_of(event), "text with a zero byte; take \\0 out");
		return NULL;
	}
	n = config_node_new(CONFIG_STRING, line_of(event));
	text = strdup(value);
	if (!n || !text) {
		free(text);
		return config_node_free(n);
	}
	if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !event->data.scalar.tag)
		config_node_set_plain(n, text);
	else
		n->text = text;
	return n;
}

static bool add_member(struct yaml_reader *y, struct config_node *parent, struct config_node *child, const char *key,
		       int key_line)
{
	const struct config_node *before = key ? config_node_member(parent, key) : NULL;
	int before_line = before ? before->key_line : 0;

	switch (config_node_add(parent, child, key, key_line)) {
	case 0:
		return true;
	case -EEXIST:
		config_fault(y->faults, y->file, key_line, "%s stands here twice (first in line %d); keep one",
			     key ? key : "", before_line);
		return true; /* go on: there may be more to tell */
	case -E2BIG:
		config_fault(y->faults, y->file, key_line, "more than %d entries; split it", CONFIG_ENTRIES_MAX);
		return false;
	}
	return false;
}

/* Reads the value behind a key, which is consumed. */
static bool read_member(struct yaml_reader *y, struct config_node *object, yaml_event_t *key, int depth)
{
	const char *name = (const char *)key->data.scalar.value;
	int line = line_of(key);
	struct config_node *child;
	yaml_event_t event;
	bool ok;

	if (key->type != YAML_SCALAR_EVENT) {
		config_fault(y->faults, y->file, line, "a key must be plain text; write NAME: VALUE");
		return false;
	}
	if (key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strncmp(name, "//", 2) == 0) {
		config_fault(y->faults, y->file, line,
			     "// begins no comment in YAML and would swallow the next entry; use #");
		return false;
	}
	if (strcmp(name, "<<") == 0) {
		config_fault(y->faults, y->file, line, "<< (merge) is not supported; write the entries out");
		return false;
	}
	if (!next_event(y, &event))
		return false;
	child = read_node(y, &event, depth);
	ok = child && add_member(y, object, child, name, line);
	yaml_event_delete(&event);
	return ok;
}

static struct config_node *read_collection(struct yaml_reader *y, const yaml_event_t *start, int depth)
{
	bool object = start->type == YAML_MAPPING_START_EVENT;
	struct config_node *n = config_node_new(object ? CONFIG_OBJECT : CONFIG_ARRAY, line_of(start));
	bool ok = n != NULL, end = false;

	while (ok && !end) {
		yaml_event_t event;
		struct config_node *child;

		if (!next_event(y, &event))
			return config_node_free(n);
		end = event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT;
		if (!end && object) {
			ok = read_member(y, n, &event, depth);
		} else if (!end) {
			child = read_node(y, &event, depth);
			ok = child && add_member(y, n, child, NULL, line_of(&event));
		}
		yaml_event_delete(&event);
	}
	return ok ? n : config_node_free(n);
}

static struct config_node *read_node(struct yaml_reader *y, yaml_event_t *event, int depth)
{
	if (depth > CONFIG_DEPTH_MAX) {
		config_fault(y->faults, y->file, line_of(event), "nested deeper than %d levels", CONFIG_DEPTH_MAX);
		return NULL;
	}
	if (event->type == YAML_SCALAR_EVENT)
		return read_scalar(y, event);
	if (event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT)
		return read_collection(y, event, depth + 1);
	config_fault(y->faults, y->file, line_of(event), "aliases (*name) are not supported; write the value out");
	return NULL;
}

/* The document of a file that may have none (NULL with *ret_empty). */
static struct config_node *read_document(struct yaml_reader *y)
{
	struct config_node *root = NULL;
	yaml_event_t event;
	bool end = false;

	while (!end && next_event(y, &event)) {
		if (event.type == YAML_STREAM_END_EVENT) {
			end = true;
		} else if (event.type == YAML_DOCUMENT_START_EVENT && root) {
			config_fault(y->faults, y->file, line_of(&event),
				     "a second document (---); one file holds one");
			end = true;
		} else if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT &&
			   event.type != YAML_DOCUMENT_END_EVENT) {
			root = read_node(y, &event, 0);
			end = !root;
		}
		yaml_event_delete(&event);
	}
	return root;
}

struct config_node *config_read_yaml(const char *file, const char *text, size_t len, struct config_faults *faults)
{
	struct yaml_reader y = {.file = file, .faults = faults};
	size_t before = faults->count;
	struct config_node *root;

	if (!yaml_parser_initialize(&y.parser)) {
		config_fault(faults, file, 1, "no memory");
		return NULL;
	}
	yaml_parser_set_encoding(&y.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&y.parser, (const unsigned char *)text, len);
	root = read_document(&y);
	yaml_parser_delete(&y.parser);
	if (!root && faults->count == before)
		root = config_node_new(CONFIG_OBJECT, 1); /* an empty file says nothing, which is fine */
	return root;
}
