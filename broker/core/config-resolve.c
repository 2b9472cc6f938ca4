/* SPDX-License-Identifier: Apache-2.0 */
/* One server with one client's variables: what is started, and the key that says who may share it. */
#include "broker/core/config-resolve.h"
#include "broker/core/config-tree.h"
#include "broker/core/config-url.h"
#include "broker/core/config-vars.h"

#include "base/http-url.h"
#include "base/ids.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

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
	struct config_resolver *r = user;

	return config_vars_is_public(name) ? 0 : keep_secret(r->ret, name, value);
}

static const char *look(void *user, const char *name)
{
	struct config_resolver *r = user;

	return r->caller->lookup(r->caller->user, name);
}

int config_replace(struct config_resolver *r, const char *prefix, const char *text, bool home, char **ret,
		   struct error *err)
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

static int resolve_args(struct config_resolver *r, const struct config_server *s, struct error *err)
{
	r->ret->args = calloc(s->args.count + 1, sizeof(char *));
	if (!r->ret->args)
		return error_set(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < s->args.count; i++) {
		int result = config_replace(r, "", s->args.items[i], false, &r->ret->args[i], err);

		if (result < 0)
			return result;
	}
	return 0;
}

static int resolve_env(struct config_resolver *r, const struct config_server *s, struct error *err)
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
		result = config_replace(r, prefix, s->env[i].value, false, &r->ret->env[i], err);
		if (result < 0)
			return result;
		/* A secret that was written into the file instead of into a variable is one all the same. */
		if (config_vars_is_secret(name) && keep_secret(r->ret, name, r->ret->env[i] + strlen(prefix)) < 0)
			return error_set(err, -ENOMEM, "no memory");
	}
	return 0;
}

/* Consumes path, which may be relative to folder. */
static int make_absolute(char *path, const char *folder, char **ret, struct error *err)
{
	_cleanup_free_ char *relative = path[0] == '/' ? NULL : path;

	if (!relative)
		*ret = path;
	else if (asprintf(ret, "%s/%s", strcmp(folder, "/") == 0 ? "" : folder,
			  relative + (strncmp(relative, "./", 2) == 0 ? 2 : 0)) < 0)
		*ret = NULL;
	return *ret ? 0 : error_set(err, -ENOMEM, "no memory");
}

static int resolve_path(struct config_resolver *r, const char *written, const char *folder, char **ret,
			struct error *err)
{
	char *path = NULL;
	int result = config_replace(r, "", written, true, &path, err);

	return result < 0 ? result : make_absolute(path, folder, ret, err);
}

/* Without a slash it is looked for in PATH, else it is relative to the folder that it is started in: as in the clients,
 * and the broker's own folder is nobody's. */
static int resolve_command(struct config_resolver *r, const char *written, struct error *err)
{
	int result = config_replace(r, "", written, true, &r->ret->command, err);

	if (result < 0 || !strchr(r->ret->command, '/'))
		return result;
	return make_absolute(TAKE_PTR(r->ret->command), r->ret->cwd, &r->ret->command, err);
}

static int resolve_process(struct config_resolver *r, const struct config_server *s, struct error *err)
{
	int result = 0;

	if (s->cwd)
		result = resolve_path(r, s->cwd, r->caller->cwd, &r->ret->cwd, err);
	else if (!(r->ret->cwd = strdup(r->caller->cwd)))
		result = error_set(err, -ENOMEM, "no memory");
	if (result == 0)
		result = resolve_command(r, s->command, err);
	if (result == 0)
		result = resolve_args(r, s, err);
	return result < 0 ? result : resolve_env(r, s, err);
}

/* ---- behind a URL ---- */

/* The value, and what stands behind the scheme in it ("Bearer x"), which may come back alone. */
static int keep_header(struct config_resolver *r, const char *name, const char *value)
{
	_cleanup_free_ char *part = NULL;
	const char *blank = strchr(value, ' ');
	int result = keep_secret(r->ret, name, value);

	if (result < 0 || !blank)
		return result;
	if (asprintf(&part, "%s credentials", name) < 0) {
		part = NULL;
		return -ENOMEM;
	}
	return keep_secret(r->ret, part, blank + strspn(blank, " "));
}

static int resolve_headers(struct config_resolver *r, const struct config_server *s, struct error *err)
{
	r->ret->headers = calloc(s->header_count + 1, sizeof(char *));
	if (!r->ret->headers)
		return error_set(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < s->header_count; i++) {
		const char *name = s->headers[i].name;
		char prefix[300];
		int result;

		snprintf(prefix, sizeof(prefix), "%s: ", name); /* names were checked */
		result = config_replace(r, prefix, s->headers[i].value, false, &r->ret->headers[i], err);
		if (result < 0)
			return result;
		if (!http_header_good(r->ret->headers[i]))
			return error_set(err, -EINVAL,
					 "headers.%s: its value is too long or has a line break or another control "
					 "character in it",
					 name);
		if (keep_header(r, name, r->ret->headers[i] + strlen(prefix)) < 0)
			return error_set(err, -ENOMEM, "no memory");
	}
	return 0;
}

static int resolve_proxy(struct config_resolver *r, struct error *err)
{
	const char *proxy = config_url_proxy(r->ret->url, look, r), *except = look(r, "no_proxy");

	if (!proxy)
		return 0;
	if (!except || !*except)
		except = look(r, "NO_PROXY");
	r->ret->proxy = strdup(proxy);
	r->ret->no_proxy = strdup(except ? except : "");
	/* A password in it is nobody's business. */
	if (!r->ret->proxy || !r->ret->no_proxy || (strchr(proxy, '@') && keep_secret(r->ret, "proxy", proxy) < 0))
		return error_set(err, -ENOMEM, "no memory");
	return 0;
}

static int resolve_url(struct config_resolver *r, const struct config_server *s, struct error *err)
{
	int result = config_replace(r, "", s->url, false, &r->ret->url, err);

	if (result < 0)
		return result;
	result = http_url_check(r->ret->url, err);
	if (result < 0)
		return error_wrap(err, "url");
	result = resolve_headers(r, s, err);
	if (result == 0 && s->ca_file)
		result = resolve_path(r, s->ca_file, r->caller->cwd, &r->ret->ca_file, err);
	return result < 0 ? result : resolve_proxy(r, err);
}

/* ---- the keys ---- */

static bool hash_text(EVP_MD_CTX *md, char kind, const char *text)
{
	return EVP_DigestUpdate(md, &kind, 1) == 1 && EVP_DigestUpdate(md, text, strlen(text) + 1) == 1;
}

static char *digest_text(const EVP_MD_CTX *md)
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	unsigned char digest[32];
	bool ok = copy && EVP_MD_CTX_copy_ex(copy, md) == 1 && EVP_DigestFinal_ex(copy, digest, NULL) == 1;
	char *text = ok ? malloc(2 * sizeof(digest) + 1) : NULL;

	EVP_MD_CTX_free(copy);
	if (text)
		hex_encode(text, digest, sizeof(digest));
	return text;
}

static bool hash_all(EVP_MD_CTX *md, const struct config_resolved *r, const struct config_server *server)
{
	char start[24];
	const struct {
		char kind;
		const char *text;
	} texts[] = {
		{'i', server->name}, {'t', start},       {'c', r->command},
		{'d', r->cwd},       {'u', r->url},      {'f', r->ca_file},
		{'p', r->proxy},     {'n', r->no_proxy}, {'s', server->transport == CONFIG_SSE ? "" : NULL},
	};
	bool ok = EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

	snprintf(start, sizeof(start), "%lld", (long long)server->start_timeout_ms);
	for (size_t i = 0; ok && i < ARRAY_SIZE(texts); i++)
		ok = !texts[i].text || hash_text(md, texts[i].kind, texts[i].text);
	for (size_t i = 0; ok && r->args && r->args[i]; i++)
		ok = hash_text(md, 'a', r->args[i]);
	for (size_t i = 0; ok && r->env && r->env[i]; i++)
		ok = hash_text(md, 'e', r->env[i]);
	for (size_t i = 0; ok && r->headers && r->headers[i]; i++)
		ok = hash_text(md, 'h', r->headers[i]);
	return ok;
}

/* SHA-256 over all parts, each with its kind in front and its NUL behind, so that no two lists read the same.
 * The name and the time to start are in it too: an entry that was given others is another server, whose messages name
 * it as the file does now. Two entries of one program are two processes. */
static int make_keys(struct config_resolved *ret, const struct config_server *server, struct error *err)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = md && hash_all(md, ret, server);

	ret->entry = ok ? digest_text(md) : NULL;
	if (ok && ret->offers_roots && ret->roots)
		ok = hash_text(md, 'r', ret->roots);
	ret->key = ok ? digest_text(md) : NULL;
	EVP_MD_CTX_free(md);
	return ret->entry && ret->key ? 0 : error_set(err, -ENOMEM, "no memory");
}

int config_resolve_server(const struct config_server *server, const struct config_caller *caller,
			  struct config_resolved *ret, struct error *err)
{
	struct config_resolved resolved = {0};
	struct config_resolver r = {caller, &resolved};
	int result;

	result = server->url ? resolve_url(&r, server, err) : resolve_process(&r, server, err);
	if (result == 0)
		result = config_resolve_roots(&r, server, err);
	if (result == 0)
		result = make_keys(&resolved, server, err);
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
	free(r->url);
	free_list(r->headers);
	free(r->ca_file);
	free(r->proxy);
	free(r->no_proxy);
	free(r->roots);
	free(r->key);
	free(r->entry);
	config_strings_done(&r->secret_names);
	config_strings_done(&r->secret_values);
	*r = (struct config_resolved){0};
}
