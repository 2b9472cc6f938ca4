/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/cli/forms.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FIELDS_MAX = 32, WORDS_MAX = 64 };

enum field_kind { FIELD_STRING, FIELD_NUMBER, FIELD_INTEGER, FIELD_BOOLEAN };
static const char *const kind_names[] = {"string", "number", "integer", "boolean"};
static const char *const kind_words[] = {"text", "a number", "a whole number", "yes or no"};

struct form {
	json_t *schema, *content;
	void *at; /* iterator: the field that is asked for */
};

static int kind_of(const json_t *field)
{
	const char *type = json_string_value(json_object_get(field, "type"));

	for (int i = 0; type && i < (int)ARRAY_SIZE(kind_names); i++)
		if (strcmp(type, kind_names[i]) == 0)
			return i;
	return -1;
}

static bool is_simple(json_t *field)
{
	json_t *words = json_object_get(field, "enum"), *word;
	int kind = kind_of(field);
	size_t i;

	json_array_foreach (words, i, word)
		if (!json_is_string(word))
			return false;
	return kind >= 0 && (!words || (kind == FIELD_STRING && json_array_size(words) <= WORDS_MAX)) &&
	       !json_object_get(field, "oneOf") && !json_object_get(field, "anyOf");
}

struct form *form_new(struct span schema)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct form *f = calloc(1, sizeof(*f));
	json_t *properties, *field;
	const char *name;

	if (!f || json_parse(schema.p, schema.len, &f->schema, &err) < 0)
		return form_free(f);
	f->content = json_object();
	properties = json_object_get(f->schema, "properties");
	if (!json_is_object(properties) || json_object_size(properties) > FIELDS_MAX)
		return form_free(f);
	json_object_foreach (properties, name, field)
		if (!is_simple(field))
			return form_free(f);
	f->at = json_object_iter(properties);
	return f;
}

struct form *form_free(struct form *f)
{
	if (!f)
		return NULL;
	json_decref(f->schema);
	json_decref(f->content);
	free(f);
	return NULL;
}

static bool is_required(const struct form *f, const char *name)
{
	json_t *required = json_object_get(f->schema, "required"), *item;
	size_t i;

	json_array_foreach (required, i, item)
		if (json_is_string(item) && strcmp(json_string_value(item), name) == 0)
			return true;
	return false;
}

static int put_words(const json_t *field, struct buf *out)
{
	json_t *words = json_object_get(field, "enum"), *word;
	size_t i;
	int r = words ? 0 : buf_append_str(out, kind_words[kind_of(field)]);

	json_array_foreach (words, i, word)
		if (r == 0)
			r = buf_printf(out, "%s%.200s", i ? " | " : "", json_string_value(word));
	return r;
}

char *form_prompt(const struct form *f)
{
	_cleanup_buf_ struct buf out = BUF_INIT(64 * 1024);
	const json_t *field = f->at ? json_object_iter_value(f->at) : NULL, *preset;
	const char *name = f->at ? json_object_iter_key(f->at) : NULL, *title, *text;
	int r;

	if (!f->at)
		return NULL;
	title = json_string_value(json_object_get(field, "title"));
	text = json_string_value(json_object_get(field, "description"));
	preset = json_object_get(field, "default");
	r = buf_printf(&out, "  %.200s%s%.500s (", title ? title : name, text ? ", " : "", text ? text : "");
	if (r == 0)
		r = put_words(field, &out);
	if (r == 0 && preset)
		r = buf_append_str(&out, "; else ");
	if (r == 0 && preset)
		r = json_print(&out, preset);
	else if (r == 0 && !is_required(f, name))
		r = buf_append_str(&out, "; may be left out");
	if (r == 0)
		r = buf_append_str(&out, "): ");
	return r < 0 ? strdup("  ? ") : cli_line(buf_steal(&out, NULL));
}

static json_t *read_number(const char *line, bool whole)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	json_auto_t *list = NULL;
	json_t *value;

	if (asprintf(&text, "[%s]", line) < 0)
		return NULL;
	if (json_parse(text, strlen(text), &list, &err) < 0 || json_array_size(list) != 1)
		return NULL;
	value = json_array_get(list, 0);
	return json_is_number(value) && (!whole || json_is_integer(value)) ? json_incref(value) : NULL;
}

static json_t *read_boolean(const char *line)
{
	static const struct {
		const char *word;
		int value;
	} words[] = {{"yes", 1}, {"y", 1}, {"true", 1}, {"no", 0}, {"n", 0}, {"false", 0}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].word, line) == 0)
			return json_boolean(words[i].value);
	return NULL;
}

static json_t *read_string(json_t *field, const char *line)
{
	json_t *words = json_object_get(field, "enum"), *word;
	size_t i;

	if (!words)
		return json_string(line);
	json_array_foreach (words, i, word)
		if (strcmp(json_string_value(word), line) == 0)
			return json_incref(word);
	return NULL;
}

static json_t *read_value(json_t *field, const char *line)
{
	int kind = kind_of(field);

	if (kind == FIELD_BOOLEAN)
		return read_boolean(line);
	return kind == FIELD_STRING ? read_string(field, line) : read_number(line, kind == FIELD_INTEGER);
}

bool form_take(struct form *f, const char *line)
{
	json_t *field = f->at ? json_object_iter_value(f->at) : NULL, *value;
	const char *name = f->at ? json_object_iter_key(f->at) : NULL;

	if (!f->at)
		return false;
	value = *line ? read_value(field, line) : json_incref(json_object_get(field, "default"));
	if (value)
		json_object_set_new(f->content, name, value);
	else if (*line || is_required(f, name))
		return false;
	f->at = json_object_iter_next(json_object_get(f->schema, "properties"), f->at);
	return true;
}

int form_content(const struct form *f, struct buf *out)
{
	return json_print(out, f->content);
}
