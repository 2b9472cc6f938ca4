/* SPDX-License-Identifier: Apache-2.0 */
/* A provider's option table is turned into a table of base/json.h, so that settings are checked like everything else.
 */
#include "broker/host/internal.h"

#include <errno.h>
#include <string.h>

enum { SETTING_BYTES = 16 }; /* room for any kind of value */
_Static_assert(sizeof(struct json_strings) <= SETTING_BYTES, "a list must fit");

static const struct {
	enum json_kind kind;
	int64_t most; /* when the option names none */
} kinds[] = {
	[HAWSER_OPTION_STRING] = {JSON_KIND_STRING, 4096},
	[HAWSER_OPTION_INTEGER] = {JSON_KIND_INTEGER, INT64_MAX},
	[HAWSER_OPTION_BOOLEAN] = {JSON_KIND_BOOLEAN, 0},
	[HAWSER_OPTION_STRINGS] = {JSON_KIND_STRINGS, 64},
};

static void make_field(const struct hawser_option *o, size_t index, struct json_field *f)
{
	*f = (struct json_field){
		.name = o->name,
		.kind = kinds[o->kind].kind,
		.offset = index * SETTING_BYTES,
		.least = o->least,
		.most = o->most ? o->most : kinds[o->kind].most,
		.text = o->help,
	};
	if (o->preset && o->kind == HAWSER_OPTION_INTEGER)
		f->preset = strtoll(o->preset, NULL, 10);
	if (o->preset && o->kind == HAWSER_OPTION_BOOLEAN)
		f->preset = strcmp(o->preset, "true") == 0;
}

int settings_read(struct hawser_settings *s, const struct hawser_option *options, json_t *object, struct error *err)
{
	json_auto_t *settings = object ? json_incref(object) : json_object();
	int r;

	s->options = options;
	for (s->count = 0; options && options[s->count].name;)
		s->count++;
	s->fields = calloc(s->count + 1, sizeof(*s->fields));
	s->values = calloc(s->count + 1, SETTING_BYTES);
	if (!s->fields || !s->values || !settings)
		return error_set(err, -ENOMEM, "no memory for settings");
	for (size_t i = 0; i < s->count; i++)
		make_field(&options[i], i, &s->fields[i]);
	r = json_table_decode(s->fields, s->count, settings, false, s->values, err);
	if (r < 0)
		s->count = 0;
	return r;
}

void settings_done(struct hawser_settings *s)
{
	if (s->fields && s->values)
		json_table_done(s->fields, s->count, s->values);
	free(s->fields);
	free(s->values);
	*s = (struct hawser_settings){.count = 0};
}

/* Asking for what is not in the table is a bug of the provider: it gets the empty value. */
static const void *value_of(const struct hawser_settings *s, const char *name, enum hawser_option_kind kind, size_t *at)
{
	for (*at = 0; *at < s->count; (*at)++)
		if (s->options[*at].kind == kind && strcmp(s->options[*at].name, name) == 0)
			return s->values + *at * SETTING_BYTES;
	return NULL;
}

const char *settings_string(const struct hawser_settings *s, const char *name)
{
	size_t at;
	char *const *value = value_of(s, name, HAWSER_OPTION_STRING, &at);

	return !value ? NULL : *value ? *value : s->options[at].preset;
}

int64_t settings_integer(const struct hawser_settings *s, const char *name)
{
	size_t at;
	const int64_t *value = value_of(s, name, HAWSER_OPTION_INTEGER, &at);

	return value ? *value : 0;
}

int settings_boolean(const struct hawser_settings *s, const char *name)
{
	size_t at;
	const bool *value = value_of(s, name, HAWSER_OPTION_BOOLEAN, &at);

	return value ? *value : 0;
}

const char *const *settings_strings(const struct hawser_settings *s, const char *name)
{
	size_t at;
	const struct json_strings *value = value_of(s, name, HAWSER_OPTION_STRINGS, &at);

	return value ? (const char *const *)value->items : NULL;
}
