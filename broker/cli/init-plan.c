/* SPDX-License-Identifier: Apache-2.0 */
/* Which entries there are, which of two of one name keeps it, and what may not move before anything is started. */
#include "broker/cli/init.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void init_place_name(const struct clientfile_place *place, char *text, size_t size)
{
	static const char *const scopes[] = {
		[CLIENTFILE_USER] = "user",
		[CLIENTFILE_LOCAL] = "this folder",
		[CLIENTFILE_PROJECT] = "project",
	};

	snprintf(text, size, "%s, %s", place->title, scopes[place->scope]);
}

void init_set_why(struct init_item *item, const char *fmt, ...)
{
	va_list args;

	free(item->why);
	va_start(args, fmt);
	if (vasprintf(&item->why, fmt, args) < 0)
		item->why = NULL;
	va_end(args);
}

bool init_is_self(const struct clientfile_entry *entry)
{
	const char *command = json_string_value(json_object_get(entry->server, "command"));

	return command && clientfile_is_self(command, getenv("PATH"));
}

static const struct init_item *named(const struct init *in, const char *name)
{
	for (size_t i = 0; i < in->item_count; i++)
		if (in->items[i].fate == INIT_MOVES && strcmp(in->items[i].name, name) == 0)
			return &in->items[i];
	return NULL;
}

/* Was it read live (include) from a file whose servers are items now? Then it goes where they go. */
static bool is_from_client(const struct init *in, const json_t *server)
{
	const char *from = json_string_value(json_object_get(server, "from"));

	for (size_t i = 0; from && i < in->files.file_count; i++) {
		size_t n = strlen(in->files.files[i]->path);

		if (strncmp(from, in->files.files[i]->path, n) == 0 && from[n] == ':')
			return true;
	}
	return false;
}

/* What Hawser has of this name already, in the words of `config show`. */
static const json_t *present(const struct init *in, const char *name)
{
	const json_t *server = json_object_get(json_object_get(in->present, "mcpServers"), name);

	return server && !is_from_client(in, server) ? server : NULL;
}

/* Only what init can see equal is: a secret that is not shown might be another one. */
static bool equals_present(const json_t *there, const json_t *server)
{
	static const char *const keys[] = {"command", "args", "env", "cwd", "url", "headers"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const json_t *a = json_object_get(there, keys[i]), *b = json_object_get(server, keys[i]);
		bool no_a =
			!a || ((json_is_object(a) || json_is_array(a)) && !json_object_size(a) && !json_array_size(a));

		if (no_a != !b || (!no_a && !json_equal(a, b)))
			return false;
	}
	return true;
}

static bool taken(const struct init *in, const char *name)
{
	return named(in, name) || present(in, name);
}

/* A name of its own for one that is not the same as its namesake: nothing is lost. */
static int rename_item(const struct init *in, struct init_item *item)
{
	const char *client = item->section->place->client;
	char *name = NULL;

	for (int n = 1; n < 100; n++) {
		char suffix[48];
		int r;

		snprintf(suffix, sizeof(suffix), n > 1 ? "-%s-%d" : "-%s", client, n);
		r = asprintf(&name, "%.*s%s", CLIENTFILE_NAME_MAX - (int)strlen(suffix), item->entry->name, suffix);
		if (r < 0)
			return -ENOMEM;
		if (!taken(in, name)) {
			free(item->name);
			item->name = name;
			return 0;
		}
		free(name);
	}
	return -EEXIST;
}

static int name_item(const struct init *in, struct init_item *item)
{
	const struct init_item *other = named(in, item->name);
	const json_t *there = present(in, item->name);
	char place[96];

	if (there && equals_present(there, item->entry->server)) {
		item->fate = INIT_SAME;
		init_set_why(item, "is in %s already", in->hawser_path);
		return 0;
	}
	if (!there && !other)
		return 0;
	if (other && !there)
		init_place_name(other->section->place, place, sizeof(place));
	else
		snprintf(place, sizeof(place), "Hawser's own file");
	if (other && json_equal(other->entry->server, item->entry->server)) {
		item->fate = INIT_SAME;
		item->twin = other;
		init_set_why(item, "is the same as that of %s", place);
		return 0;
	}
	if (rename_item(in, item) < 0)
		return -EEXIST;
	init_set_why(item, "becomes %s: the name is taken by a different server of %s, which comes first", item->name,
		     place);
	return 0;
}

static void must_stay(struct init_item *item)
{
	const struct clientfile_entry *e = item->entry;

	if (e->stays)
		init_set_why(item, "%s", e->stays);
	else if (e->disabled)
		init_set_why(item, "it is disabled there");
	else if (item->section->file->read_only)
		init_set_why(item, "%s is read-only", item->section->file->path);
	else
		return;
	item->fate = INIT_STAYS;
}

static int add_item(struct init *in, const struct clientfile_section *section, struct clientfile_entry *entry)
{
	struct init_item *item = &in->items[in->item_count];

	if (init_is_self(entry))
		return 0;
	if (in->item_count == INIT_ITEMS_MAX)
		return -E2BIG;
	*item = (struct init_item){
		.section = section, .entry = entry, .tools = -1, .allowed = -1, .asked = -1, .denied = -1};
	item->name = strdup(entry->name);
	if (!item->name)
		return -ENOMEM;
	must_stay(item);
	if (item->fate != INIT_STAYS) {
		int r = name_item(in, item);

		if (r < 0)
			return r;
	}
	in->item_count++;
	return 0;
}

int init_plan(struct init *in, struct error *err)
{
	in->items = calloc(INIT_ITEMS_MAX + 1, sizeof(*in->items));
	if (!in->items)
		return error_set(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < in->files.section_count; i++) {
		const struct clientfile_section *s = &in->files.sections[i];

		for (size_t k = 0; k < s->count; k++) {
			int r = add_item(in, s, &s->entries[k]);

			if (r < 0)
				return error_set(err, r, "%s: too many servers, or too many of one name",
						 s->file->path);
		}
	}
	return 0;
}

void init_settle(struct init *in)
{
	for (size_t i = 0; i < in->item_count; i++) {
		struct init_item *item = &in->items[i];

		if (item->fate != INIT_SAME || !item->twin || item->twin->fate != INIT_STAYS)
			continue;
		item->fate = INIT_STAYS;
		init_set_why(item, "%s", item->twin->why);
	}
}
