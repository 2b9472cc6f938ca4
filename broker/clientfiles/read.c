/* SPDX-License-Identifier: Apache-2.0 */
/* The only file of this folder that opens any: finds those of the table and reads each once. */
#include "broker/clientfiles/clientfiles.h"
#include "broker/clientfiles/jsonc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { READ_STEP = 64 * 1024 };

static struct clientfile *file_free(struct clientfile *f)
{
	if (!f)
		return NULL;
	free(f->path);
	free(f->target);
	free(f->fault);
	buf_done(&f->text);
	buf_done(&f->plain);
	toml_done(&f->toml);
	free(f);
	return NULL;
}

void clientfiles_done(struct clientfiles *all)
{
	for (size_t i = 0; i < all->section_count; i++)
		clientfile_entries_done(&all->sections[i]);
	for (size_t i = 0; i < all->file_count; i++)
		file_free(all->files[i]);
	free(all->sections);
	free(all->files);
	*all = (struct clientfiles){0};
}

static void set_fault(struct clientfile *f, const char *what)
{
	if (!f->fault && asprintf(&f->fault, "%s: %s", f->path, what) < 0)
		f->fault = NULL;
}

static void read_text(struct clientfile *f)
{
	_cleanup_close_ int fd = open(f->target, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	uint8_t *room;
	ssize_t n = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return set_fault(f, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return set_fault(f, "is not a regular file");
	f->mode = st.st_mode & 07777;
	f->uid = st.st_uid;
	f->gid = st.st_gid;
	f->read_only = !(st.st_mode & 0222) || access(f->target, W_OK) < 0;
	if (st.st_size > CLIENTFILE_MAX)
		return set_fault(f, "is over 16 MiB");
	room = buf_reserve(&f->text, (size_t)st.st_size + READ_STEP); /* at once: growing copies */
	while (room && (n = read(fd, room, READ_STEP)) > 0) {
		buf_commit(&f->text, (size_t)n);
		room = buf_reserve(&f->text, READ_STEP);
	}
	if (!room || n < 0)
		set_fault(f, room ? strerror(errno) : "is over 16 MiB");
}

/* One walk for all places: the file of a client may be 8 MiB of history around a few servers. */
static void look_at_root(struct clientfile *f, const char *key)
{
	struct span name, value;
	size_t at = 0;

	f->key = key;
	while ((!f->projects.p || !f->servers.p) && span_next_member(f->root, &at, &name, &value))
		if (!f->projects.p && span_string_equals(name, "projects"))
			f->projects = value;
		else if (!f->servers.p && span_string_equals(name, key))
			f->servers = value;
}

static void parse(struct clientfile *f, const struct clientfile_place *place)
{
	struct span text = span_of(f->text.len ? (const char *)buf_head(&f->text) : "", f->text.len);
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (f->fault)
		return;
	r = place->toml ? toml_read(text, place->key, &f->toml, &err) : jsonc_plain(text, &f->plain, &f->root, &err);
	if (r < 0)
		set_fault(f, error_text(&err));
	else if (!place->toml)
		look_at_root(f, place->key);
}

static struct clientfile *new_file(const char *path, char *target, const struct clientfile_place *place)
{
	struct clientfile *f = calloc(1, sizeof(*f));

	if (!f || !(f->path = strdup(path))) {
		free(target);
		free(f);
		return NULL;
	}
	f->target = target;
	f->text.max = f->plain.max = CLIENTFILE_MAX + 2 * READ_STEP;
	read_text(f);
	parse(f, place);
	return f;
}

/* The file behind a path, read once however many places or links name it. 0: it is not there. */
static int get_file(struct clientfiles *all, const char *path, const struct clientfile_place *place,
		    struct clientfile **ret)
{
	char *target = realpath(path, NULL);
	struct clientfile **files;

	*ret = NULL;
	if (!target)
		return 0;
	for (size_t i = 0; i < all->file_count; i++)
		if (strcmp(all->files[i]->target, target) == 0) {
			free(target);
			*ret = all->files[i];
			return 0;
		}
	files = realloc(all->files, (all->file_count + 1) * sizeof(*files));
	if (!files) {
		free(target);
		return -ENOMEM;
	}
	all->files = files;
	*ret = files[all->file_count] = new_file(path, target, place);
	return *ret ? (int)(all->file_count++, 0) : -ENOMEM;
}

static struct span find_object(const struct clientfile *f, const struct clientfile_place *place, const char *cwd)
{
	if (f->fault || place->toml)
		return SPAN_NONE;
	if (place->scope == CLIENTFILE_LOCAL)
		return span_member(span_member(f->projects, cwd), place->key);
	return strcmp(place->key, f->key) == 0 ? f->servers : span_member(f->root, place->key);
}

static bool is_there(const struct clientfiles *all, const struct clientfile *f, const struct clientfile_place *place)
{
	for (size_t i = 0; i < all->section_count; i++)
		if (all->sections[i].file == f &&
		    (all->sections[i].place->scope == CLIENTFILE_LOCAL) == (place->scope == CLIENTFILE_LOCAL))
			return true;
	return false;
}

static int add_section(struct clientfiles *all, const struct clientfile_where *where,
		       const struct clientfile_place *place, struct error *err)
{
	_cleanup_free_ char *path = clientfile_path(place, where);
	struct clientfile_section section = {.place = place}, *sections;

	if (!path || get_file(all, path, place, &section.file) < 0)
		return error_set(err, -ENOMEM, "no memory for %s", place->path);
	if (!section.file || is_there(all, section.file, place))
		return 0;
	section.object = find_object(section.file, place, where->cwd);
	sections = realloc(all->sections, (all->section_count + 1) * sizeof(*sections));
	if (!sections)
		return error_set(err, -ENOMEM, "no memory for %s", path);
	all->sections = sections;
	sections[all->section_count++] = section;
	return section.file->fault ? 0 : clientfile_entries(&sections[all->section_count - 1], where->cwd, err);
}

static bool is_wanted(const struct clientfile_place *place, const char *client, bool want_users, bool want_projects)
{
	bool project = place->scope == CLIENTFILE_PROJECT;

	if (project ? !want_projects : !want_users)
		return false;
	return !client || (strcmp(client, "project") == 0 ? project : strcmp(client, place->client) == 0);
}

int clientfiles_read(const struct clientfile_where *where, const char *client, bool want_users, bool want_projects,
		     struct clientfiles *ret, struct error *err)
{
	*ret = (struct clientfiles){0};
	for (int scope = 0; scope < CLIENTFILE_SCOPES; scope++) {
		for (const struct clientfile_place *p = clientfile_places; p->client; p++) {
			int r;

			if ((int)p->scope != scope || !is_wanted(p, client, want_users, want_projects) ||
			    clientfile_is_users(p, where))
				continue;
			r = add_section(ret, where, p, err);
			if (r < 0) {
				clientfiles_done(ret);
				return r;
			}
		}
	}
	return 0;
}
