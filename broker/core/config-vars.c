/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/config-vars.h"

#include "broker/clientfiles/inputs.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct variable {
	char name[CONFIG_VARIABLE_MAX];
	char *preset; /* owned; NULL: none */
};

static bool name_ok(const char *name, size_t n)
{
	if (n == 0 || n >= CONFIG_VARIABLE_MAX || isdigit((unsigned char)name[0]))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isascii((unsigned char)name[i]) || (!isalnum((unsigned char)name[i]) && name[i] != '_'))
			return false;
	return true;
}

/* Spellings of other clients: ${input:id} (clientfiles/inputs.h), and two of editors. PWD is the client's folder. */
static bool foreign_name(const char *name, size_t n, struct variable *ret)
{
	static const char *const names[][2] = {{"userHome", "HOME"}, {"workspaceFolder", "PWD"}};

	if (n > 6 && strncmp(name, "input:", 6) == 0)
		return inputs_variable(name + 6, n - 6, ret->name, sizeof(ret->name)) == 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i][0]) == n && strncmp(name, names[i][0], n) == 0) {
			snprintf(ret->name, sizeof(ret->name), "%s", names[i][1]);
			return true;
		}
	return false;
}

/* Reads the variable at p ("${"); returns what is behind its }. */
static const char *parse(const char *p, struct variable *ret, struct error *err)
{
	const char *close = strchr(p, '}'), *name = p + 2, *preset;
	size_t n;

	if (!close) {
		error_set(err, -EINVAL, "%.40s has no closing }; add it", p);
		return NULL;
	}
	if (strncmp(name, "env:", 4) == 0)
		name += 4;
	n = (size_t)(close - name);
	ret->preset = NULL;
	if (foreign_name(name, n, ret))
		return close + 1;
	preset = memmem(name, n, ":-", 2);
	if (preset)
		n = (size_t)(preset - name);
	if (!name_ok(name, n)) {
		error_set(err, -EINVAL,
			  "%.*s is no variable that is known here; write ${NAME}, ${NAME:-value} or ${env:NAME}",
			  (int)(close + 1 - p), p);
		return NULL;
	}
	memcpy(ret->name, name, n);
	ret->name[n] = '\0';
	if (preset && !(ret->preset = strndup(preset + 2, (size_t)(close - preset - 2)))) {
		error_set(err, -ENOMEM, "no memory");
		return NULL;
	}
	return close + 1;
}

int config_vars_scan(const char *text, int (*see)(void *user, const char *name, const char *preset), void *user,
		     struct error *err)
{
	const char *p = text;

	while ((p = strstr(p, "${"))) {
		struct variable v;
		int r;

		p = parse(p, &v, err);
		if (!p)
			return err->code;
		r = see(user, v.name, v.preset);
		free(v.preset);
		if (r < 0)
			return error_set_errno(err, r, "keeping the name of a variable");
	}
	return 0;
}

static int replace_one(const struct variable *v, const char *(*lookup)(void *user, const char *name), void *user,
		       int (*used)(void *user, const char *name, const char *value), struct buf *out, struct error *err)
{
	const char *value = lookup(user, v->name);
	int r;

	if (v->preset && (!value || !*value))
		value = v->preset;
	else if (!value)
		return error_set(err, -ENOENT,
				 "${%s} is not set; set it, or write ${%s:-value}" ERROR_CURE "export %s=...", v->name,
				 v->name, v->name);
	else if (used && (r = used(user, v->name, value)) < 0)
		return error_set_errno(err, r, "keeping ${%s}", v->name);
	r = buf_append_str(out, value);
	return r < 0 ? error_set(err, r, "${%s} makes the text longer than %zu bytes; shorten it", v->name, out->max)
		     : 0;
}

int config_vars_replace(const char *text, const char *(*lookup)(void *user, const char *name), void *user,
			int (*used)(void *user, const char *name, const char *value), struct buf *out,
			struct error *err)
{
	const char *p = text, *next;
	int r;

	for (; (next = strstr(p, "${"));) {
		struct variable v;

		if (buf_append(out, p, (size_t)(next - p)) < 0)
			return error_set(err, -E2BIG, "the text is longer than %zu bytes; shorten it", out->max);
		p = parse(next, &v, err);
		if (!p)
			return err->code;
		r = replace_one(&v, lookup, user, used, out, err);
		free(v.preset);
		if (r < 0)
			return r;
	}
	if (buf_append_str(out, p) < 0)
		return error_set(err, -E2BIG, "the text is longer than %zu bytes; shorten it", out->max);
	return 0;
}

bool config_vars_is_public(const char *name)
{
	static const char *const names[] = {"HOME", "LOGNAME",  "USER",     "PATH",   "SHELL",  "TERM",
					    "LANG", "LANGUAGE", "PWD",      "OLDPWD", "TMPDIR", "TMP",
					    "TEMP", "TZ",       "HOSTNAME", "EDITOR", "DISPLAY"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strncmp(name, "XDG_", 4) == 0 || strncmp(name, "LC_", 3) == 0;
}

bool config_vars_is_secret(const char *name)
{
	static const char *const parts[] = {"TOKEN",   "SECRET", "PASSWORD",   "PASSWD",      "PASSPHRASE",
					    "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIAL"};
	size_t n = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (strcasestr(name, parts[i]))
			return true;
	return n > 4 && strcasecmp(name + n - 4, "_KEY") == 0;
}
