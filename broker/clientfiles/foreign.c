/* SPDX-License-Identifier: Apache-2.0 */
/* Each client has its own keys: what becomes of one stands in a table. Nothing is dropped in silence. */
#include "broker/clientfiles/clientfiles.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct translation {
	const struct clientfile_place *place;
	struct clientfile_entry *entry;
	json_t *to;
};
typedef int key_fn(struct translation *t, json_t *value);

static void line_add(char **at, const char *key, const char *what)
{
	_cleanup_free_ char *before = *at;

	*at = NULL;
	if (asprintf(at, "%s%s%.60s%s%s", before ? before : "", before ? "\n" : "", key, *key ? " " : "", what) < 0)
		*at = NULL;
}

static int seconds(struct translation *t, const char *key, json_t *value)
{
	double ms = json_is_number(value) ? json_number_value(value) * 1000 : 0;

	return ms >= 1 && ms < 1e9 ? json_object_set_new(t->to, key, json_integer((json_int_t)ms)) : -EINVAL;
}

static int start_seconds(struct translation *t, json_t *value)
{
	return seconds(t, "startTimeout", value);
}

static int call_seconds(struct translation *t, json_t *value)
{
	return seconds(t, "timeout", value);
}

static int start_ms(struct translation *t, json_t *value)
{
	return json_object_set(t->to, "startTimeout", value);
}

static int disabled(struct translation *t, json_t *value)
{
	t->entry->disabled = json_is_true(value);
	return json_is_boolean(value) ? 0 : -EINVAL;
}

static int enabled(struct translation *t, json_t *value)
{
	t->entry->disabled = json_is_false(value);
	return json_is_boolean(value) ? 0 : -EINVAL;
}

static int type(struct translation *t, json_t *value)
{
	const char *name = json_string_value(value);

	return name && strcmp(name, "stdio") == 0 ? 0 : json_object_set(t->to, "type", value);
}

static json_t *object_at(json_t *parent, const char *key)
{
	if (!json_object_get(parent, key))
		json_object_set_new(parent, key, json_object());
	return json_object_get(parent, key);
}

static int headers(struct translation *t, json_t *value)
{
	return json_object_update(object_at(t->to, "headers"), value);
}

static int header_variable(struct translation *t, const char *header, const char *before, const char *variable)
{
	json_t *text = variable ? json_sprintf("%s${%s}", before, variable) : NULL;

	return text ? json_object_set_new(object_at(t->to, "headers"), header, text) : -EINVAL;
}

static int header_variables(struct translation *t, json_t *value)
{
	const char *key;
	json_t *item;

	json_object_foreach (value, key, item)
		if (header_variable(t, key, "", json_string_value(item)) < 0)
			return -EINVAL;
	return json_is_object(value) ? 0 : -EINVAL;
}

static int bearer(struct translation *t, json_t *value)
{
	return header_variable(t, "Authorization", "Bearer ", json_string_value(value));
}

/* Names of variables that are handed on. */
static int variables(struct translation *t, json_t *value)
{
	json_t *env = object_at(t->to, "env"), *item;
	size_t i;

	json_array_foreach (value, i, item) {
		const char *name = json_string_value(item);

		if (!name || json_object_set_new(env, name, json_sprintf("${%s:-}", name)) < 0)
			return -EINVAL;
	}
	return json_is_array(value) ? 0 : -EINVAL;
}

/* A key is taken as it is, or by fn; or left behind (note, "": of no meaning here); or the entry cannot do without it
 * (stays). */
static const struct {
	const char *key;
	key_fn *fn;
	const char *note, *stays;
} keys[] = {
	{"command", NULL, NULL, NULL},
	{"args", NULL, NULL, NULL},
	{"env", NULL, NULL, NULL},
	{"cwd", NULL, NULL, NULL},
	{"url", NULL, NULL, NULL},
	{"timeout", NULL, NULL, NULL},
	{"type", type, NULL, NULL},
	{"headers", headers, NULL, NULL},
	{"http_headers", headers, NULL, NULL},
	{"env_http_headers", header_variables, NULL, NULL},
	{"bearer_token_env_var", bearer, NULL, NULL},
	{"env_vars", variables, NULL, NULL},
	{"startup_timeout_sec", start_seconds, NULL, NULL},
	{"startup_timeout_ms", start_ms, NULL, NULL},
	{"tool_timeout_sec", call_seconds, NULL, NULL},
	{"disabled", disabled, NULL, NULL},
	{"enabled", enabled, NULL, NULL},
	{"envFile", NULL, NULL, "names a file of variables (envFile), which Hawser does not read"},
	{"headersHelper", NULL, NULL, "gets its headers from a program (headersHelper), which Hawser does not start"},
	{"oauth", NULL, NULL, "logs in by OAuth, which Hawser does not do yet"},
	{"auth", NULL, NULL, "logs in by a way (auth) that Hawser does not know"},
	{"enabled_tools", NULL, NULL, "has only some of its tools enabled (enabled_tools); Hawser has rules for that"},
	{"disabled_tools", NULL, NULL, "has tools disabled (disabled_tools); Hawser has rules for that"},
	{"sandbox", NULL, NULL, "is kept in a sandbox by its client, which Hawser would not do"},
	{"alwaysAllow", NULL, "is left behind; write policy rules instead", NULL},
	{"autoApprove", NULL, "is left behind; write policy rules instead", NULL},
	{"sandboxEnabled", NULL, "", NULL},
	{"dev", NULL, "", NULL},
	{"gallery", NULL, "", NULL},
	{"version", NULL, "", NULL},
	{"description", NULL, "", NULL},
	{"icon", NULL, "", NULL},
	{"name", NULL, "", NULL},
};

static void translate_key(struct translation *t, const char *key, json_t *value)
{
	size_t i = 0;
	int r;

	while (i < ARRAY_SIZE(keys) && strcmp(keys[i].key, key) != 0)
		i++;
	if (i == ARRAY_SIZE(keys))
		return line_add(&t->entry->notes, key, "is not known here and is left behind");
	if (keys[i].stays)
		return line_add(&t->entry->stays, "it", keys[i].stays);
	if (keys[i].note && *keys[i].note)
		line_add(&t->entry->notes, key, keys[i].note);
	if (keys[i].note)
		return;
	r = keys[i].fn ? keys[i].fn(t, value) : json_object_set(t->to, key, value);
	if (r < 0)
		line_add(&t->entry->stays, key, "is not what it should be");
}

/* ---- texts ---- */

static json_t *replace_all(const char *text, const char *what, const char *with)
{
	_cleanup_buf_ struct buf out = BUF_INIT(CLIENTFILE_MAX);
	const char *p = text, *next;
	int r = 0;

	for (; r == 0 && (next = strstr(p, what)); p = next + strlen(what)) {
		r = buf_append(&out, p, (size_t)(next - p));
		if (r == 0)
			r = buf_append_str(&out, with);
	}
	if (r == 0)
		r = buf_append_str(&out, p);
	return r == 0 ? json_stringn(out.len ? (const char *)buf_head(&out) : "", out.len) : NULL;
}

/* A text as Hawser is to read it; NULL: it stays as it is. */
static json_t *mend_text(struct translation *t, const char *text, const char *folder)
{
	if (t->place->literal && strstr(text, "${") && !t->entry->stays)
		line_add(&t->entry->stays, "it", "has ${...} in a text, which its client hands on as it is");
	/* What a folder's entry calls its workspace is that folder, wherever it is read from later. */
	return folder && strstr(text, "${workspaceFolder}") ? replace_all(text, "${workspaceFolder}", folder) : NULL;
}

/* All texts of command, args, env, cwd, url and headers. */
static void mend_texts(struct translation *t, const char *folder)
{
	json_t *value, *item;
	const char *key, *name;
	size_t i;

	json_object_foreach (t->to, key, value) {
		json_t *mended = json_is_string(value) ? mend_text(t, json_string_value(value), folder) : NULL;

		if (mended)
			json_object_set_new(t->to, key, mended);
		json_array_foreach (value, i, item) {
			mended = json_is_string(item) ? mend_text(t, json_string_value(item), folder) : NULL;
			if (mended)
				json_array_set_new(value, i, mended);
		}
		if (!json_is_object(value))
			continue;
		json_object_foreach (value, name, item) {
			mended = json_is_string(item) ? mend_text(t, json_string_value(item), folder) : NULL;
			if (mended)
				json_object_set_new(value, name, mended);
		}
	}
}

void clientfile_translate(const struct clientfile_place *place, json_t *from, const char *folder,
			  struct clientfile_entry *entry)
{
	static const struct clientfile_place lenient = {.literal = false};
	struct translation t = {.place = place, .entry = entry, .to = json_object()};
	const char *key;
	json_t *value;

	/* Codex's own variables and headers stand in ${}: they are put there here, behind the look at its texts. */
	if (place->literal) {
		struct translation look = {.place = place, .entry = entry, .to = json_deep_copy(from)};

		mend_texts(&look, NULL);
		json_decref(look.to);
	}
	json_object_foreach (from, key, value)
		translate_key(&t, key, value);
	t.place = &lenient;
	mend_texts(&t, folder);
	if (folder && t.to && !json_object_get(t.to, "url") && !json_object_get(t.to, "cwd"))
		json_object_set_new(t.to, "cwd", json_string(folder)); /* its client started it there */
	entry->server = t.to;
}
