/* SPDX-License-Identifier: Apache-2.0 */
/* The new text of each file: Hawser's own first, so that at no moment a server is nowhere. */
#include "broker/cli/init.h"
#include "broker/cli/journal-files.h"

#include "broker/clientfiles/edit.h"
#include "broker/clientfiles/inputs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool leaves(const struct init_item *item)
{
	return item->fate != INIT_STAYS;
}

static bool section_has(const struct init *in, const struct clientfile_section *section, const char *name)
{
	for (size_t i = 0; i < in->item_count; i++)
		if (in->items[i].section == section && leaves(&in->items[i]) &&
		    (!name || strcmp(in->items[i].entry->name, name) == 0))
			return true;
	return false;
}

static bool section_has_self(const struct clientfile_section *section)
{
	for (size_t i = 0; i < section->count; i++)
		if (init_is_self(&section->entries[i]))
			return true;
	return false;
}

/* A folder's section needs no entry of its own where the user's of the same file has one. */
static bool wants_entry(const struct init *in, const struct clientfile_section *section)
{
	if (!section_has(in, section, NULL) || section_has_self(section))
		return false;
	for (size_t i = 0; i < in->files.section_count; i++) {
		const struct clientfile_section *other = &in->files.sections[i];

		if (section->place->scope == CLIENTFILE_LOCAL && other->file == section->file && other != section &&
		    (section_has(in, other, NULL) || section_has_self(other)))
			return false;
	}
	return true;
}

/* "hawser", unless a server that stays has that name. */
static const char *entry_name(const struct init *in, const struct clientfile_section *section)
{
	for (size_t i = 0; i < section->count; i++)
		if (strcmp(section->entries[i].name, "hawser") == 0 && !section_has(in, section, "hawser"))
			return "hawser-broker";
	return "hawser";
}

/* The variables by which the client hands its inputs on: it goes on asking for them, and keeps them as it did. */
static int add_inputs(const struct init *in, const struct clientfile_section *section, json_t *env)
{
	for (size_t i = 0; i < in->item_count; i++) {
		const struct init_item *item = &in->items[i];
		char *text =
			item->section == section && leaves(item) ? json_dumps(item->entry->server, JSON_COMPACT) : NULL;
		int r = text ? inputs_collect(text, env) : 0;

		free(text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* {"command": ..., "args": ["mcp"]}; new reference. */
static json_t *entry_value(const struct init *in, const struct clientfile_section *section)
{
	json_t *entry = json_pack("{s:s, s:[s]}", "command", in->program, "args", "mcp");
	json_auto_t *env = json_object();
	_cleanup_free_ char *config = in->args->config ? realpath(in->args->config, NULL) : NULL;

	if (config && json_array_append_new(json_object_get(entry, "args"), json_string("--config")) == 0)
		json_array_append_new(json_object_get(entry, "args"), json_string(config));
	if (section->place->inputs && add_inputs(in, section, env) == 0 && json_object_size(env) > 0)
		json_object_set(entry, "env", env);
	return entry;
}

/* ---- JSON ---- */

struct going {
	const struct init *in;
	const struct clientfile_section *section;
};

static bool goes(void *user, struct span key)
{
	_cleanup_free_ char *name = span_strdup(key, 1024);
	const struct going *g = user;

	return name && section_has(g->in, g->section, name);
}

static int edit_json(const struct init *in, const struct clientfile_section *section, struct edit *edit)
{
	const struct clientfile *f = section->file;
	const struct json_edit j = {span_of(buf_head(&f->text), f->text.len),
				    span_of(buf_head(&f->plain), f->plain.len), edit};
	_cleanup_free_ char *member = NULL;
	struct going going = {in, section};

	if (wants_entry(in, section)) {
		json_auto_t *value = entry_value(in, section);
		char *text = value ? json_dumps(value, 0) : NULL;
		int r = text ? asprintf(&member, "\"%s\": %s", entry_name(in, section), text) : -1;

		free(text);
		if (r < 0)
			return -ENOMEM;
	}
	return json_edit_remove(&j, section->object, goes, &going, (const char *const *)&member, member ? 1 : 0);
}

/* ---- TOML ---- */

static int edit_toml(const struct init *in, const struct clientfile_section *section, struct edit *edit)
{
	const struct clientfile *f = section->file;
	_cleanup_buf_ struct buf out = BUF_INIT(64 * 1024);
	struct span text = span_of(buf_head(&f->text), f->text.len);
	const char *line = edit_line_break(text), *key;
	_cleanup_free_ char *added = NULL;
	json_auto_t *value = NULL;
	json_t *item;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->toml.range_count; i++) {
		const struct toml_range *range = &f->toml.ranges[i];

		if (section_has(in, section, f->toml.servers[range->server].name))
			r = edit_splice(edit, range->from, range->to - range->from, "");
	}
	if (r < 0 || !wants_entry(in, section))
		return r;
	value = entry_value(in, section);
	r = buf_printf(&out, "%s%s[mcp_servers.%s]%s",
		       text.p && text.len > 0 && text.p[text.len - 1] != '\n' ? line : "", line,
		       entry_name(in, section), line);
	json_object_foreach (value, key, item) { /* texts and lists of texts are written as in JSON */
		char *as_json = json_dumps(item, JSON_ENCODE_ANY);

		r = r == 0 && as_json ? buf_printf(&out, "%s = %s%s", key, as_json, line) : -ENOMEM;
		free(as_json);
	}
	added = r == 0 ? buf_steal(&out, NULL) : NULL;
	return added ? edit_splice(edit, text.len, 0, added) : -ENOMEM;
}

/* ---- files ---- */

static struct journal_change *new_change(struct init *in, const char *path)
{
	struct journal_change *c;

	if (in->changes.count == JOURNAL_FILES_MAX)
		return NULL;
	c = &in->changes.items[in->changes.count];
	*c = (struct journal_change){.path = strdup(path),
				     .mode = 0600,
				     .uid = geteuid(),
				     .gid = getegid(),
				     .before = BUF_INIT(JOURNAL_FILE_MAX),
				     .after = BUF_INIT(JOURNAL_FILE_MAX)};
	if (!c->path)
		return NULL;
	in->changes.count++;
	return c;
}

static int drop_last_change(struct init *in)
{
	struct journal_change *c = &in->changes.items[--in->changes.count];

	free(c->path);
	buf_done(&c->before);
	return 0;
}

static int change_client_file(struct init *in, const struct clientfile *f, struct error *err)
{
	_cleanup_edit_ struct edit edit = {0};
	struct journal_change *c;
	bool touched = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < in->files.section_count; i++) {
		const struct clientfile_section *s = &in->files.sections[i];

		if (s->file != f || !section_has(in, s, NULL))
			continue;
		touched = true;
		r = s->place->toml ? edit_toml(in, s, &edit) : edit_json(in, s, &edit);
	}
	if (r == 0 && !touched)
		return 0;
	c = r == 0 ? new_change(in, f->target) : NULL;
	if (c) {
		c->there = true;
		c->mode = f->mode;
		c->uid = f->uid;
		c->gid = f->gid;
		r = buf_append(&c->before, buf_head(&f->text), f->text.len);
		if (r == 0)
			r = edit_apply(&edit, span_of(buf_head(&f->text), f->text.len), &c->after);
	}
	return r < 0 || !c ? error_set(err, r < 0 ? r : -E2BIG, "%s: the change cannot be made", f->path) : 0;
}

static int change_hawser_file(struct init *in, struct error *err)
{
	struct hawserfile_server *servers = calloc(in->item_count + 1, sizeof(*servers));
	struct hawserfile_addition a = {.servers = servers, .rules = in->rules, .rule_count = in->rule_count};
	size_t n = strlen(in->hawser_path);
	bool yaml = n < 5 || strcmp(in->hawser_path + n - 5, ".json") != 0;
	struct journal_change *c = new_change(in, in->hawser_path);
	struct stat st;
	int r = servers && c ? files_read(in->hawser_path, &c->before) : -ENOMEM;

	if (r == 0 && stat(in->hawser_path, &st) == 0) {
		c->there = true;
		c->mode = st.st_mode & 07777;
		c->uid = st.st_uid;
		c->gid = st.st_gid;
	}
	for (size_t i = 0; i < in->item_count && servers; i++) {
		const struct init_item *item = &in->items[i];

		if (item->fate == INIT_MOVES)
			servers[a.server_count++] = (struct hawserfile_server){item->name, item->entry->server,
									       item->section->place->title};
	}
	if (r < 0 && r != -ENOENT)
		error_set_errno(err, r, "%s", in->hawser_path);
	else if (a.server_count == 0) /* rules for no server are none */
		r = drop_last_change(in);
	else
		r = hawserfile_add(span_of(c->before.len ? (const char *)buf_head(&c->before) : "", c->before.len),
				   yaml, &a, &c->after, err);
	free(servers);
	return r < 0 ? error_wrap(err, "%s", in->hawser_path) : 0;
}

int init_make_changes(struct init *in, struct error *err)
{
	int r = change_hawser_file(in, err);

	for (size_t i = 0; r == 0 && i < in->files.file_count; i++)
		r = change_client_file(in, in->files.files[i], err);
	return r;
}
