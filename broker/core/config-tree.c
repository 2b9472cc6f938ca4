/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/config-tree.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct config_node *config_node_new(enum config_kind kind, int line)
{
	struct config_node *n = calloc(1, sizeof(*n));

	if (n) {
		n->kind = kind;
		n->line = line;
	}
	return n;
}

struct config_node *config_node_free(struct config_node *n)
{
	struct config_node *child, *next;

	if (!n)
		return NULL;
	for (child = n->first; child; child = next) { /* depth is at most CONFIG_DEPTH_MAX */
		next = child->next;
		config_node_free(child);
	}
	free(n->key);
	free(n->text);
	free(n);
	return NULL;
}

int config_node_add(struct config_node *parent, struct config_node *child, const char *key, int key_line)
{
	int r = 0;

	if (parent->count >= CONFIG_ENTRIES_MAX)
		r = -E2BIG;
	else if (key && config_node_member(parent, key))
		r = -EEXIST;
	else if (key && !(child->key = strdup(key)))
		r = -ENOMEM;
	if (r < 0) {
		config_node_free(child);
		return r;
	}
	child->key_line = key_line;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->count++;
	return 0;
}

const struct config_node *config_node_member(const struct config_node *object, const char *key)
{
	const struct config_node *n;

	if (!object || object->kind != CONFIG_OBJECT)
		return NULL;
	for (n = object->first; n; n = n->next)
		if (strcmp(n->key, key) == 0)
			return n;
	return NULL;
}

static const struct config_node *child_of(const struct config_node *parent, const char *name)
{
	const struct config_node *n;
	unsigned long index;
	char *end;

	if (parent->kind == CONFIG_OBJECT)
		return config_node_member(parent, name);
	if (parent->kind != CONFIG_ARRAY)
		return NULL;
	index = strtoul(name, &end, 10);
	if (*end || end == name)
		return NULL;
	for (n = parent->first; n && index > 0; n = n->next)
		index--;
	return n;
}

/* One token of a pointer, unescaped, into name; returns what is behind it. */
static const char *pointer_token(const char *p, char *name, size_t size)
{
	size_t n = 0;

	for (; *p && *p != '/'; p++) {
		char ch = *p;

		if (ch == '~' && (p[1] == '0' || p[1] == '1'))
			ch = *++p == '0' ? '~' : '/';
		if (n + 1 < size)
			name[n++] = ch;
	}
	name[n] = '\0';
	return p;
}

const struct config_node *config_node_pointer(const struct config_node *root, const char *pointer)
{
	const struct config_node *n = root;

	while (*pointer == '/') {
		const struct config_node *child;
		char name[256];

		pointer = pointer_token(pointer + 1, name, sizeof(name));
		child = child_of(n, name);
		if (!child)
			break;
		n = child;
	}
	return n;
}

json_t *config_node_json(const struct config_node *n)
{
	const struct config_node *child;
	json_t *value;

	switch (n->kind) {
	case CONFIG_NULL:
		return json_null();
	case CONFIG_BOOLEAN:
		return json_boolean(n->boolean);
	case CONFIG_INTEGER:
		return json_integer(n->integer);
	case CONFIG_REAL:
		return json_real(strtod(n->text, NULL));
	case CONFIG_STRING:
		return json_string(n->text);
	case CONFIG_ARRAY:
		value = json_array();
		for (child = n->first; child && value; child = child->next)
			json_array_append_new(value, config_node_json(child));
		return value;
	case CONFIG_OBJECT:
		value = json_object();
		for (child = n->first; child && value; child = child->next)
			json_object_set_new(value, child->key, config_node_json(child));
		return value;
	}
	return NULL;
}

const char *config_kind_name(enum config_kind kind)
{
	static const char *const names[] = {
		[CONFIG_NULL] = "nothing",     [CONFIG_BOOLEAN] = "true or false", [CONFIG_INTEGER] = "a whole number",
		[CONFIG_REAL] = "a fraction",  [CONFIG_STRING] = "text",           [CONFIG_ARRAY] = "a list",
		[CONFIG_OBJECT] = "an object",
	};

	return names[kind];
}

static bool is_number(const char *s, bool *ret_whole)
{
	*ret_whole = true;
	if (*s == '-')
		s++;
	if (*s == '0' && isdigit((unsigned char)s[1])) /* 007 is a name, not a number */
		return false;
	if (!isdigit((unsigned char)*s))
		return false;
	while (isdigit((unsigned char)*s))
		s++;
	if (*s == '.') {
		*ret_whole = false;
		if (!isdigit((unsigned char)*++s))
			return false;
		while (isdigit((unsigned char)*s))
			s++;
	}
	if (*s == 'e' || *s == 'E') {
		*ret_whole = false;
		s++;
		if (*s == '+' || *s == '-')
			s++;
		if (!isdigit((unsigned char)*s))
			return false;
		while (isdigit((unsigned char)*s))
			s++;
	}
	return *s == '\0';
}

void config_node_set_plain(struct config_node *n, char *text)
{
	bool whole;

	n->text = text;
	n->kind = CONFIG_STRING;
	if (strcmp(text, "") == 0 || strcmp(text, "~") == 0 || strcmp(text, "null") == 0) {
		n->kind = CONFIG_NULL;
	} else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
		n->kind = CONFIG_BOOLEAN;
		n->boolean = text[0] == 't';
	} else if (is_number(text, &whole)) {
		errno = 0;
		n->integer = whole ? strtoll(text, NULL, 10) : 0;
		n->kind = whole && errno == 0 ? CONFIG_INTEGER : CONFIG_REAL;
	}
}

/* ---- faults ---- */

void config_vfault(struct config_faults *faults, const char *file, int line, const char *fmt, va_list args)
{
	char text[1024];
	int r;

	if (faults->text.max == 0)
		faults->text.max = 128 * 1024;
	if (faults->count++ >= CONFIG_FAULTS_MAX)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	r = buf_printf(&faults->text, "%s%s:%d: %s", faults->text.len ? "\n" : "", file, line, text);
	(void)r; /* full: what is there is enough to begin with */
}

void config_fault(struct config_faults *faults, const char *file, int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	config_vfault(faults, file, line, fmt, args);
	va_end(args);
}

int config_faults_finish(struct config_faults *faults, struct error *err)
{
	if (faults->count == 0)
		return 0;
	if (faults->count > CONFIG_FAULTS_MAX)
		return error_set(err, -EINVAL, "%.*s\nand %zu more", (int)faults->text.len,
				 (const char *)buf_head(&faults->text), faults->count - CONFIG_FAULTS_MAX);
	return error_set(err, -EINVAL, "%.*s", (int)faults->text.len, (const char *)buf_head(&faults->text));
}

void config_faults_done(struct config_faults *faults)
{
	buf_done(&faults->text);
	faults->count = 0;
}

/* ---- lists of strings ---- */

int config_strings_add(struct json_strings *list, const char *text)
{
	char **items = realloc(list->items, (list->count + 2) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->count] = strdup(text);
	if (!items[list->count])
		return -ENOMEM;
	items[++list->count] = NULL;
	return 0;
}

bool config_strings_has(const struct json_strings *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

void config_strings_done(struct json_strings *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct json_strings){0};
}
