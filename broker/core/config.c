/* SPDX-License-Identifier: Apache-2.0 */
/* config_load(): find the main file, read it and what it includes, and remember what the files looked like. */
#include "broker/core/config-decode.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void stamp_take(struct config_stamp *stamp, const char *path)
{
	struct stat st;

	*stamp = (struct config_stamp){0};
	if (stat(path, &st) < 0)
		return;
	*stamp = (struct config_stamp){
		.there = true, .dev = st.st_dev, .ino = st.st_ino, .size = st.st_size, .mtime = st.st_mtim};
}

static bool stamp_equals(const struct config_stamp *a, const struct config_stamp *b)
{
	return a->there == b->there && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

/* Before it is read, so that a change while it is read is seen too. */
int config_watch(struct config_whole *w, const char *path)
{
	struct config_stamp *stamps;

	if (config_strings_has(&w->c.files, path))
		return 0;
	stamps = realloc(w->stamps, (w->stamp_count + 1) * sizeof(*stamps));

	if (!stamps || config_strings_add(&w->c.files, path) < 0)
		return -ENOMEM;
	w->stamps = stamps;
	stamp_take(&stamps[w->stamp_count++], path);
	return 0;
}

/* Text of a regular file of at most CONFIG_FILE_MAX bytes; NULL after a fault. */
static char *read_file(struct config_reader *reader, const char *path, int line, size_t *ret_len)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t len = 0;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		config_fault(reader->faults, reader->file, line,
			     "cannot read %s: %s; check the path and its permissions", path, strerror(errno));
		return NULL;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > CONFIG_FILE_MAX) {
		config_fault(reader->faults, reader->file, line, "%s is %s", path,
			     S_ISREG(st.st_mode) ? "over 1 MiB; split it" : "not a regular file");
		return NULL;
	}
	text = malloc(CONFIG_FILE_MAX + 1);
	while (text && len <= CONFIG_FILE_MAX && (n = read(fd, text + len, CONFIG_FILE_MAX + 1 - len)) > 0)
		len += (size_t)n;
	if (!text || n < 0 || len > CONFIG_FILE_MAX) {
		config_fault(reader->faults, reader->file, line, "cannot read %s", path);
		return NULL;
	}
	*ret_len = len;
	return TAKE_PTR(text);
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

struct config_node *config_read_file(struct config_reader *reader, const char *path, int line)
{
	_cleanup_free_ char *text = NULL;
	struct config_node *root;
	const char *p;
	size_t len;

	if (config_watch(reader->whole, path) < 0) {
		config_fault(reader->faults, path, 1, "no memory");
		return NULL;
	}
	text = read_file(reader, path, line, &len);
	if (!text)
		return NULL;
	p = text;
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
		p += 3;
		len -= 3;
	}
	root = ends_with(path, ".json") ? config_read_json(path, p, len, reader->faults)
					: config_read_yaml(path, p, len, reader->faults);
	if (root && root->kind != CONFIG_OBJECT && root->kind != CONFIG_NULL) {
		config_fault(reader->faults, path, root->line,
			     "the file holds %s; write KEY: VALUE, beginning with mcpServers",
			     config_kind_name(root->kind));
		return config_node_free(root);
	}
	return root;
}

/* ---- load ---- */

static const char *const main_names[] = {"hawser/hawser.yaml", "hawser/hawser.yml", "hawser/hawser.json"};

/* The main file below config_home; *ret stays NULL when there is none. */
static int find_main(struct config_whole *w, const char *config_home, char **ret, struct error *err)
{
	_cleanup_free_ char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(main_names); i++) {
		_cleanup_free_ char *path = NULL;

		if (asprintf(&path, "%s/%s", config_home, main_names[i]) < 0)
			return error_set(err, -ENOMEM, "no memory");
		if (access(path, F_OK) < 0)
			continue;
		if (found)
			return error_set(err, -EINVAL, "%s:1: %s is there too; keep one of the two", path, found);
		found = TAKE_PTR(path);
	}
	w->config_home = strdup(config_home);
	if (asprintf(&w->c.wanted, "%s/%s", config_home, main_names[0]) < 0)
		w->c.wanted = NULL;
	*ret = TAKE_PTR(found);
	return w->config_home && w->c.wanted ? 0 : error_set(err, -ENOMEM, "no memory");
}

static void load_main(struct config_reader *reader, const struct config_from *from)
{
	_cleanup_(config_node_freep) struct config_node *root = NULL;

	root = config_read_file(reader, reader->file, 1);
	if (!root)
		return;
	config_decode_file(reader, root);
	config_read_includes(reader, from, config_node_member(root, "include"));
	if (reader->faults->count == 0 && reader->whole->c.server_count > 0)
		config_note_rules(reader, root);
}

int config_load(const struct config_from *from, struct config **ret, struct error *err)
{
	struct config_whole *w = calloc(1, sizeof(*w));
	struct config_faults faults = {0};
	const char *home = from->home ? from->home : getenv("HOME");
	struct config_reader reader = {.whole = w, .faults = &faults, .home = home && home[0] == '/' ? home : NULL};
	struct config_node nothing = {.kind = CONFIG_OBJECT, .line = 1};
	int r = 0;

	if (w)
		w->limit_lines = calloc(config_limits_count, sizeof(int));
	if (!w || !w->limit_lines) {
		config_free(w ? &w->c : NULL);
		return error_set(err, -ENOMEM, "no memory");
	}
	w->refs = 1;
	if (from->path) {
		w->c.path = strdup(from->path);
		r = w->c.path ? 0 : error_set(err, -ENOMEM, "no memory");
	} else {
		r = find_main(w, from->config_home, &w->c.path, err);
	}
	if (r == 0) {
		reader.file = w->c.path ? w->c.path : "(no file)";
		if (w->c.path)
			load_main(&reader, from);
		else
			config_decode_file(&reader, &nothing);
		r = config_faults_finish(&faults, err);
	}
	config_faults_done(&faults);
	if (r < 0) {
		config_free(&w->c);
		return r;
	}
	*ret = &w->c;
	return 0;
}

bool config_is_stale(const struct config *c)
{
	const struct config_whole *w = (const struct config_whole *)(const void *)c;
	struct config_stamp now;

	for (size_t i = 0; i < w->stamp_count; i++) {
		stamp_take(&now, c->files.items[i]);
		if (!stamp_equals(&now, &w->stamps[i]))
			return true;
	}
	for (size_t i = 0; w->config_home && i < ARRAY_SIZE(main_names); i++) { /* has another main file appeared? */
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", w->config_home, main_names[i]);
		if ((!c->path || strcmp(path, c->path) != 0) && access(path, F_OK) == 0)
			return true;
	}
	return false;
}

struct config *config_ref(struct config *c)
{
	((struct config_whole *)(void *)c)->refs++;
	return c;
}

struct config *config_free(struct config *c)
{
	struct config_whole *w = (struct config_whole *)(void *)c;

	if (!c || (w->refs > 0 && --w->refs > 0)) /* 0: it was never finished */
		return NULL;
	free(c->path);
	free(c->wanted);
	config_strings_done(&c->files);
	for (size_t i = 0; i < c->server_count; i++)
		config_server_done(&c->servers[i]);
	free(c->servers);
	json_decref(c->policy);
	for (size_t i = 0; i < c->provider_count; i++) {
		free(c->providers[i].name);
		json_decref(c->providers[i].settings);
	}
	free(c->providers);
	free(c->isolation);
	for (size_t i = 0; i < ARRAY_SIZE(c->runtimes); i++)
		free(c->runtimes[i]);
	for (size_t i = 0; i < c->environment_count; i++) {
		free(c->environments[i].name);
		free(c->environments[i].python);
		free(c->environments[i].javascript);
	}
	config_strings_done(&c->variables);
	config_strings_done(&c->notes);
	config_strings_done(&c->missing);
	config_strings_done(&c->unapproved);
	free(w->config_home);
	free(w->stamps);
	free(w->limit_lines);
	free(w);
	return NULL;
}
