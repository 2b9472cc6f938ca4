/* SPDX-License-Identifier: Apache-2.0 */
/*
 * include: [claude-code, project]: the files of named clients, live. Each is watched also while it is not there; one
 * that cannot be read, or a project's that nobody said yes to, is a note: it belongs to another program.
 */
#include "broker/clientfiles/pins.h"
#include "broker/core/config-decode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The translated server as a node; all of it stands, for messages, in the entry's line. */
static void set_line(struct config_node *n, int line)
{
	n->line = n->key_line = line;
	for (struct config_node *child = n->first; child; child = child->next)
		set_line(child, line);
}

static struct config_node *entry_node(struct config_reader *reader, const struct clientfile_entry *entry)
{
	char *text = json_dumps(entry->server, JSON_COMPACT);
	struct config_node *n = text ? config_read_json(reader->file, text, strlen(text), reader->faults) : NULL;

	free(text);
	if (n)
		set_line(n, entry->line);
	return n;
}

static bool wanted(struct config_reader *reader, const struct config_from *from, const struct clientfile_entry *entry)
{
	const char *command = json_string_value(json_object_get(entry->server, "command"));

	if (command && clientfile_is_self(command, from->search_path ? from->search_path : getenv("PATH")))
		return false; /* that is how it gets here */
	if (entry->stays)
		config_note(reader, entry->line, "server %.64s is left out: %.*s", entry->name,
			    (int)strcspn(entry->stays, "\n"), entry->stays);
	return !entry->stays;
}

static void read_section(struct config_reader *reader, const struct config_from *from,
			 const struct clientfile_section *section)
{
	_cleanup_(config_node_freep) struct config_node *servers = config_node_new(CONFIG_OBJECT, 1);

	for (size_t i = 0; i < section->count && servers; i++) {
		const struct clientfile_entry *entry = &section->entries[i];
		struct config_node *n;

		if (!wanted(reader, from, entry))
			continue;
		if (reader->of_project)
			json_object_set_new(entry->server, "trusted", json_false());
		if (entry->disabled)
			json_object_set_new(entry->server, "disabled", json_true());
		n = entry_node(reader, entry);
		if (n && config_node_add(servers, n, entry->name, entry->line) < 0)
			config_note(reader, entry->line, "server %.64s is left out: too many", entry->name);
	}
	config_decode_servers(reader, servers);
}

/* Has somebody said yes to exactly this text? */
static bool approved(struct config_reader *reader, const struct config_from *from, const struct clientfile *f)
{
	_cleanup_free_ char *pin = from->state_dir ? pins_path(from->state_dir, f->path) : NULL;
	bool there = false;

	if (!pin || config_watch(reader->whole, pin) < 0)
		return false;
	if (pins_match(pin, &f->text, &there))
		return true;
	config_note(reader, 1, "%s; it is not used. hawser trust %s shows it and asks",
		    there ? "has changed since you said yes to this project's file"
			  : "this project's file was never said yes to",
		    f->path);
	if (config_strings_add(&reader->whole->c.unapproved, f->path) < 0)
		config_fault(reader->faults, reader->file, 1, "no memory");
	return false;
}

static void read_file(struct config_reader *main_reader, const struct config_from *from,
		      const struct clientfile_section *section)
{
	struct config_reader reader = {.whole = main_reader->whole,
				       .faults = main_reader->faults,
				       .file = section->file->path,
				       .home = main_reader->home,
				       .included = true,
				       .of_project = section->place->scope == CLIENTFILE_PROJECT};

	if (section->file->fault)
		config_note(&reader, 1, "is left out: %s", section->file->fault);
	else if (section->count > 0 && (!reader.of_project || approved(&reader, from, section->file)))
		read_section(&reader, from, section);
}

static void watch_places(struct config_reader *reader, const struct clientfile_where *where, const char *name)
{
	bool project = strcmp(name, "project") == 0;

	for (const struct clientfile_place *p = clientfile_places; p->client; p++) {
		_cleanup_free_ char *path = clientfile_path(p, where);

		if ((p->scope == CLIENTFILE_PROJECT) != project || (!project && strcmp(p->client, name) != 0))
			continue;
		if (!path || config_watch(reader->whole, path) < 0)
			config_fault(reader->faults, reader->file, 1, "no memory");
	}
}

void config_read_client(struct config_reader *reader, const struct config_from *from, const char *name, int line,
			struct clientfiles *ret)
{
	struct clientfile_where where = {.home = reader->home, .config_home = from->config_home, .cwd = from->cwd};
	bool project = strcmp(name, "project") == 0;
	_cleanup_error_ struct error err = ERROR_INIT;

	if (!where.home)
		return config_complain(reader, line, "include: %s: HOME is not set", name);
	watch_places(reader, &where, name);
	if (clientfiles_read(&where, name, !project, project, ret, &err) < 0)
		config_complain(reader, line, "include: %s: %s", name, error_text(&err));
}

void config_take_client(struct config_reader *reader, const struct config_from *from, const struct clientfiles *files,
			enum clientfile_scope scope)
{
	for (size_t i = 0; i < files->section_count; i++)
		if (files->sections[i].place->scope == scope)
			read_file(reader, from, &files->sections[i]);
}
