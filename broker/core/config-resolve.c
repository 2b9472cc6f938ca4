/* SPDX-License-Identifier: Apache-2.0 */
/* One server with one client's variables: what is started, and the key that says who may share it. */
#include "broker/core/config-tree.h"
#include "broker/core/config-vars.h"
#include "broker/core/config.h"

#include "base/ids.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

struct resolver {
	const char *(*lookup)(void *user, const char *name);
	void *user;
	struct config_resolved *ret;
};

static int keep_secret(struct config_resolved *ret, const char *name, const char *value)
{
	int r;

	if (config_strings_has(&ret->secret_names, name) || !*value)
		return 0;
	r = config_strings_add(&ret->secret_names, name);
	return r < 0 ? r : config_strings_add(&ret->secret_values, value);
}

static int see_value(void *user, const char *name, const char *value)
{
	struct resolver *r = user;

	return config_vars_is_public(name) ? 0 : keep_secret(r->ret, name, value);
}

static const char *look(void *user, const char *name)
{
	struct resolver *r = user;

	return r->lookup(r->user, name);
}

/* prefix comes before the replaced text, as it is. home: "~/" at the beginning is the client's home folder. */
static int replace(struct resolver *r, const char *prefix, const char *text, bool home, char **ret, struct error *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(CONFIG_VALUE_MAX);
	const char *home_path = home && strncmp(text, "~/", 2) == 0 ? look(r, "HOME") : NULL;
	int result;

	result = buf_append_str(&out, prefix);
	if (result == 0 && home_path) {
		result = buf_append_str(&out, home_path);
		text++;
	}
	if (result < 0)
		return error_set(err, result, "the text is too long");
	result = config_vars_replace(text, look, r, see_value, &out, err);
	if (result < 0)
		return result;
	if (buf_append(&out, "", 0) < 0 || !(*ret = buf_steal(&out, NULL)))
		return error_set(err, -ENOMEM, "no memory");
	return 0;
}

static int resolve_args(struct resolver *r, const struct config_server *s, struct error *err)
{
	r->ret->args = calloc(s->args.count + 1, sizeof(char *));
	if (!r->ret->args)
		return error_set(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < s->args.count; i++) {
		int result = replace(r, "", s->args.items[i], false, &r->ret->args[i], err);

		if (result < 0)
			return result;
	}
	return 0;
}

static int resolve_env(struct resolver *r, const struct config_server *s, struct error *err)
{
	r->ret->env = calloc(s->env_count + 1, sizeof(char *));
	if (!r->ret->env)
		return error_set(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < s->env_count; i++) {
		const char *name = s->env[i].name;
		char prefix[512];
		int result;

		if (snprintf(prefix, sizeof(prefix), "%s=", name) >= (int)sizeof(prefix))
			return error_set(err, -EINVAL, "env: the name %.40s... is too long", name);
		result = replace(r, prefix, s->env[i].value, false, &r->ret->env[i], err);
		if (result < 0)
			return result;
		/* A secret that was written into the file instead of into a variable is one all the same. */
		if (config_vars_is_secret(name) && keep_secret(r->ret, name, r->ret->env[i] + strlen(prefix)) < 0)
			return error_set(err, -ENOMEM, "no memory");
	}
	return 0;
}

static int resolve_cwd(struct resolver *r, const struct config_server *s, const char *client_cwd, struct error *err)
{
	_cleanup_free_ char *cwd = NULL;
	int result;

	if (!s->cwd) {
		r->ret->cwd = strdup(client_cwd);
		return r->ret->cwd ? 0 : error_set(err, -ENOMEM, "no memory");
	}
	result = replace(r, "", s->cwd, true, &cwd, err);
	if (result < 0)
		return result;
	if (cwd[0] == '/')
		r->ret->cwd = TAKE_PTR(cwd);
	else if (asprintf(&r->ret->cwd, "%s/%s", client_cwd, cwd) < 0)
		r->ret->cwd = NULL;
	return r->ret->cwd ? 0 : error_set(err, -ENOMEM, "no memory");
}

static bool hash_text(EVP_MD_CTX *md, char kind, const char *text)
{
	return EVP_DigestUpdate(md, &kind, 1) == 1 && EVP_DigestUpdate(md, text, strlen(text) + 1) == 1;
}

/* SHA-256 over all parts, each with its kind in front and its NUL behind, so that no two lists read the same. */
static int make_key(struct config_resolved *ret, struct error *err)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char digest[32];
	bool ok;

	ok = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 && hash_text(md, 'c', ret->command) &&
	     hash_text(md, 'd', ret->cwd);
	for (size_t i = 0; ok && ret->args[i]; i++)
		ok = hash_text(md, 'a', ret->args[i]);
	for (size_t i = 0; ok && ret->env[i]; i++)
		ok = hash_text(md, 'e', ret->env[i]);
	ok = ok && EVP_DigestFinal_ex(md, digest, NULL) == 1;
	EVP_MD_CTX_free(md);
	ret->key = ok ? malloc(2 * sizeof(digest) + 1) : NULL;
	if (!ret->key)
		return error_set(err, -ENOMEM, "no memory");
	hex_encode(ret->key, digest, sizeof(digest));
	return 0;
}

int config_resolve_server(const struct config *c, const struct config_server *server, const char *client_cwd,
			  const char *(*lookup)(void *user, const char *name), void *user, struct config_resolved *ret,
			  struct error *err)
{
	struct config_resolved resolved = {0};
	struct resolver r = {lookup, user, &resolved};
	int result;

	result = replace(&r, "", server->command, true, &resolved.command, err);
	if (result == 0)
		result = resolve_args(&r, server, err);
	if (result == 0)
		result = resolve_env(&r, server, err);
	if (result == 0)
		result = resolve_cwd(&r, server, client_cwd, err);
	if (result == 0)
		result = make_key(&resolved, err);
	if (result < 0) {
		config_resolved_done(&resolved);
		return error_wrap(err, "%s:%d: server %s", server->file, server->line, server->name);
	}
	*ret = resolved;
	return 0;
}

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

void config_resolved_done(struct config_resolved *r)
{
	for (size_t i = 0; i < r->secret_values.count; i++)
		explicit_bzero(r->secret_values.items[i], strlen(r->secret_values.items[i]));
	free(r->command);
	free(r->cwd);
	free_list(r->args);
	free_list(r->env);
	free(r->key);
	config_strings_done(&r->secret_names);
	config_strings_done(&r->secret_values);
	*r = (struct config_resolved){0};
}
