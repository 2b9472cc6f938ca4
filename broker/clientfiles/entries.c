/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/clientfiles/clientfiles.h"
#include "broker/clientfiles/jsonc.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void clientfile_entries_done(struct clientfile_section *section)
{
	for (size_t i = 0; i < section->count; i++) {
		struct clientfile_entry *e = &section->entries[i];

		free(e->name);
		free(e->notes);
		free(e->stays);
		json_decref(e->server);
	}
	free(section->entries);
	section->entries = NULL;
	section->count = 0;
}

static struct clientfile_entry *find(struct clientfile_section *section, const char *name)
{
	for (size_t i = 0; i < section->count; i++)
		if (strcmp(section->entries[i].name, name) == 0)
			return &section->entries[i];
	return NULL;
}

static void say(char **at, const char *fmt, ...) _printf_(2, 3);
static void say(char **at, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL, *before = *at;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	*at = NULL;
	if (!text || asprintf(at, "%s%s%s", before ? before : "", before ? "\n" : "", text) < 0)
		*at = NULL;
}

static bool name_is_plain(const char *name)
{
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return *name && strlen(name) <= CLIENTFILE_NAME_MAX;
}

/* A new entry of the name; one that is there already was written twice, and the later counts, as in its client. */
static struct clientfile_entry *add(struct clientfile_section *section, const char *name, int line)
{
	struct clientfile_entry *e = find(section, name);

	if (e) {
		int before = e->line;

		free(e->notes);
		free(e->stays);
		json_decref(e->server);
		*e = (struct clientfile_entry){.name = e->name, .line = line};
		say(&e->notes, "stands here twice, in line %d and here; the later counts", before);
		return e;
	}
	if (section->count >= CLIENTFILE_ENTRIES_MAX)
		return NULL;
	e = realloc(section->entries, (section->count + 1) * sizeof(*e));
	if (!e)
		return NULL;
	section->entries = e;
	e += section->count;
	*e = (struct clientfile_entry){.name = strdup(name), .line = line};
	if (!e->name)
		return NULL;
	section->count++;
	return e;
}

/* Consumes from, which may be NULL: it could not be read. */
static void fill(struct clientfile_section *section, struct clientfile_entry *e, json_t *from, const char *folder)
{
	if (!name_is_plain(e->name))
		say(&e->stays, "its name is not 1 to %d plain bytes", CLIENTFILE_NAME_MAX);
	else if (!json_is_object(from))
		say(&e->stays, "it is no object with a command or a URL");
	else
		clientfile_translate(section->place, from, folder, e);
	json_decref(from);
}

static int read_json(struct clientfile_section *section, const char *folder, struct error *err)
{
	const char *counted = (const char *)buf_head(&section->file->plain);
	struct span key, value;
	size_t at = 0;
	int line = 1;

	for (; span_next_member(section->object, &at, &key, &value); counted = key.p) {
		_cleanup_free_ char *name = span_strdup(key, 1024);
		struct clientfile_entry *e;

		line += jsonc_line(counted, key.p) - 1;
		e = add(section, name ? name : "", line);
		if (!e)
			return error_set(err, -E2BIG, "%s: over %d servers", section->file->path,
					 CLIENTFILE_ENTRIES_MAX);
		fill(section, e, json_loadb(value.p, value.len, JSON_DECODE_ANY, NULL), folder);
	}
	return 0;
}

static int read_toml(struct clientfile_section *section, const char *folder, struct error *err)
{
	const struct toml *toml = &section->file->toml;

	for (size_t i = 0; i < toml->count; i++) {
		struct clientfile_entry *e = add(section, toml->servers[i].name, toml->servers[i].line);

		if (!e)
			return error_set(err, -E2BIG, "%s: over %d servers", section->file->path,
					 CLIENTFILE_ENTRIES_MAX);
		fill(section, e, json_incref(toml->servers[i].value), folder);
		if (toml->servers[i].fault)
			say(&e->stays, "%s", toml->servers[i].fault);
	}
	return 0;
}

int clientfile_entries(struct clientfile_section *section, const char *cwd, struct error *err)
{
	const char *folder = section->place->scope == CLIENTFILE_USER ? NULL : cwd;

	return section->place->toml ? read_toml(section, folder, err) : read_json(section, folder, err);
}
