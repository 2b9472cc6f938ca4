/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/config-decode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void config_complain(struct config_reader *reader, int line, const char *fmt, ...)
{
	va_list args;
	char text[1024];

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	reader->bad = true;
	if (reader->included)
		config_note(reader, line, "%s", text);
	else
		config_fault(reader->faults, reader->file, line, "%s", text);
}

static void tell(struct config_reader *reader, struct json_strings *list, int line, const char *fmt, va_list args)
	_printf_(4, 0);
static void tell(struct config_reader *reader, struct json_strings *list, int line, const char *fmt, va_list args)
{
	char text[1280], whole[1536];

	if (list->count >= CONFIG_NOTES_MAX)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	snprintf(whole, sizeof(whole), "%s:%d: %s", reader->file, line, text);
	if (config_strings_add(list, whole) < 0)
		config_fault(reader->faults, reader->file, line, "no memory");
}

void config_note(struct config_reader *reader, int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell(reader, &reader->whole->c.notes, line, fmt, args);
	va_end(args);
}

void config_tell_missing(struct config_reader *reader, int line, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	tell(reader, &reader->whole->c.missing, line, fmt, args);
	va_end(args);
}

static void unknown_key(struct config_reader *reader, const struct config_node *n, const char *where,
			const struct json_field *table, size_t count)
{
	const char *names[64], *near;
	char known[512] = "";
	size_t i, len = 0;

	for (i = 0; i < count && i + 1 < ARRAY_SIZE(names); i++) {
		names[i] = table[i].name;
		if (len < sizeof(known))
			len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s", i ? ", " : "", names[i]);
	}
	names[i] = NULL;
	near = json_nearest(n->key, names);
	if (near)
		config_complain(reader, n->key_line, "%s: unknown key %.60s; did you mean %s?", where, n->key, near);
	else
		config_complain(reader, n->key_line, "%s: unknown key %.60s; take it out (known here: %s)%s", where,
				n->key, known,
				strcmp(where, "hawser") == 0
					? "; the mcpServers of another client's file come in by include: [FILE]"
					: "");
}

static void wrong_kind(struct config_reader *reader, const struct config_node *n, const char *where, const char *wanted)
{
	const char *hint = "";

	if (n->kind == CONFIG_INTEGER || n->kind == CONFIG_REAL || n->kind == CONFIG_BOOLEAN)
		hint = strcmp(wanted, "text") == 0 ? "; put it in quotes" : "";
	config_complain(reader, n->line, "%s: %s is wanted here, not %s%s", where, wanted, config_kind_name(n->kind),
			hint);
}

/* A number with a unit, "30s" or "512MiB". Which units make sense, the field's sentence says. */
static bool with_unit(const struct json_field *f, const char *text, int64_t *ret)
{
	static const struct {
		const char *unit;
		bool bytes;
		int64_t factor;
	} units[] = {
		{"ms", false, 1},      {"s", false, 1000},   {"m", false, 60000},    {"min", false, 60000},
		{"h", false, 3600000}, {"KiB", true, 1024},  {"MiB", true, 1 << 20}, {"GiB", true, 1 << 30},
		{"K", true, 1024},     {"M", true, 1 << 20}, {"G", true, 1 << 30},   {"B", true, 1},
	};
	bool bytes = strstr(f->text, "in bytes"), time = strstr(f->text, "in ms");
	int64_t number;
	char *end;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno || end == text || number < 0)
		return false;
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(end, units[i].unit) == 0 && (units[i].bytes ? bytes : time))
			return !__builtin_mul_overflow(number, units[i].factor, ret);
	return false;
}

static void decode_integer(struct config_reader *reader, const struct config_node *n, const char *where,
			   const struct json_field *f, int64_t *ret)
{
	int64_t value = n->integer, most = f->most ? f->most : INT64_MAX;

	if (n->kind == CONFIG_STRING && !with_unit(f, n->text, &value)) {
		config_complain(reader, n->line, "%s: %.40s is no number that is understood here; write %s", where,
				n->text,
				strstr(f->text, "in bytes") ? "bytes, or 16MiB"
				: strstr(f->text, "in ms")  ? "milliseconds, or 30s"
							    : "a whole number");
		return;
	}
	if (n->kind != CONFIG_INTEGER && n->kind != CONFIG_STRING) {
		wrong_kind(reader, n, where, "a whole number");
		return;
	}
	if (value < f->least)
		config_complain(reader, n->line, "%s: %" PRId64 " is under %" PRId64 "; %s", where, value, f->least,
				f->text);
	else if (value > most)
		config_complain(reader, n->line, "%s: %" PRId64 " is over %" PRId64 "; %s", where, value, most,
				f->text);
	else
		*ret = value;
}

static void decode_string(struct config_reader *reader, const struct config_node *n, const char *where,
			  const struct json_field *f, char **ret)
{
	int64_t most = f->most ? f->most : 4096;

	if (n->kind != CONFIG_STRING)
		wrong_kind(reader, n, where, "text");
	else if ((int64_t)strlen(n->text) < f->least)
		config_complain(reader, n->line, "%s: must not be empty", where);
	else if ((int64_t)strlen(n->text) > most)
		config_complain(reader, n->line, "%s: text over %" PRId64 " bytes; shorten it", where, most);
	else if (!(*ret = strdup(n->text)))
		config_complain(reader, n->line, "no memory");
}

static void decode_strings(struct config_reader *reader, const struct config_node *n, const char *where,
			   const struct json_field *f, struct json_strings *ret)
{
	int64_t most = f->most ? f->most : CONFIG_ENTRIES_MAX;
	const struct config_node *item;

	if (n->kind != CONFIG_ARRAY) {
		wrong_kind(reader, n, where, "a list of texts");
		return;
	}
	if ((int64_t)n->count > most)
		config_complain(reader, n->line, "%s: more than %" PRId64 " entries; shorten it", where, most);
	for (item = n->first; item; item = item->next) {
		bool scalar = item->kind == CONFIG_STRING || item->kind == CONFIG_INTEGER || item->kind == CONFIG_REAL;

		/* a number among arguments means its text: [--port, 8080] */
		if (!scalar)
			wrong_kind(reader, item, where, "text");
		else if (config_strings_add(ret, item->text) < 0)
			config_complain(reader, item->line, "no memory");
	}
}

static void decode_enum(struct config_reader *reader, const struct config_node *n, const char *where,
			const struct json_field *f, int *ret)
{
	struct buf all = BUF_INIT(512);
	const char *near;

	if (n->kind != CONFIG_STRING) {
		wrong_kind(reader, n, where, "text");
		return;
	}
	for (int i = 0; f->names[i]; i++)
		if (strcmp(f->names[i], n->text) == 0) {
			*ret = i;
			return;
		}
	near = json_nearest(n->text, f->names);
	for (int i = 0; f->names[i]; i++)
		if (buf_printf(&all, "%s%s", i ? ", " : "", f->names[i]) < 0)
			break;
	config_complain(reader, n->line, "%s: %.60s is not one of %.*s%s%s%s", where, n->text, (int)all.len,
			all.len ? (const char *)buf_head(&all) : "", near ? "; did you mean " : "", near ? near : "",
			near ? "?" : "");
	buf_done(&all);
}

static void decode_field(struct config_reader *reader, const struct config_node *n, const char *where,
			 const struct json_field *f, void *data)
{
	void *at = (char *)data + f->offset;

	switch (f->kind) {
	case JSON_KIND_STRING:
		decode_string(reader, n, where, f, at);
		break;
	case JSON_KIND_INTEGER:
		decode_integer(reader, n, where, f, at);
		break;
	case JSON_KIND_BOOLEAN:
		if (n->kind == CONFIG_BOOLEAN)
			*(bool *)at = n->boolean;
		else
			wrong_kind(reader, n, where, "true or false");
		break;
	case JSON_KIND_ENUM:
		decode_enum(reader, n, where, f, at);
		break;
	case JSON_KIND_STRINGS:
		decode_strings(reader, n, where, f, at);
		break;
	case JSON_KIND_RAW:
		*(const struct config_node **)at = n;
		break;
	case JSON_KIND_SPAN: /* a file's nodes are not JSON text: no table here has it */
		break;
	}
}

static void set_presets(const struct json_field *table, size_t count, void *data)
{
	for (size_t i = 0; i < count; i++) {
		void *at = (char *)data + table[i].offset;

		if (table[i].kind == JSON_KIND_INTEGER)
			*(int64_t *)at = table[i].preset;
		else if (table[i].kind == JSON_KIND_BOOLEAN)
			*(bool *)at = table[i].preset;
		else if (table[i].kind == JSON_KIND_ENUM)
			*(int *)at = (int)table[i].preset;
	}
}

void config_decode_object(struct config_reader *reader, const struct config_node *object, const char *where,
			  const struct json_field *table, size_t count, void *data, int *lines)
{
	const struct config_node *n;
	bool seen[64] = {false};

	set_presets(table, count, data);
	if (!object || object->kind == CONFIG_NULL)
		return;
	if (object->kind != CONFIG_OBJECT) {
		wrong_kind(reader, object, where, "an object");
		return;
	}
	for (n = object->first; n; n = n->next) {
		char path[256];
		size_t i;

		for (i = 0; i < count; i++)
			if (strcmp(table[i].name, n->key) == 0 ||
			    (table[i].alias && strcmp(table[i].alias, n->key) == 0))
				break;
		if (i == count && reader->foreign && reader->foreign(reader, n, where))
			continue;
		if (i == count) {
			unknown_key(reader, n, where, table, count);
			continue;
		}
		snprintf(path, sizeof(path), "%s.%s", where, table[i].name);
		if (seen[i]) {
			config_complain(reader, n->key_line, "%s: given twice, as %s and %s; keep one", where,
					table[i].name, table[i].alias ? table[i].alias : table[i].name);
			continue;
		}
		seen[i] = true;
		if (lines)
			lines[i] = n->key_line;
		decode_field(reader, n, path, &table[i], data);
	}
}
