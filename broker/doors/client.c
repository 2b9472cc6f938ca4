/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/doors/client.h"

#include "base/strings.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	VALUES_MAX = 1024,
	VALUE_BYTES_MAX = 128 * 1024, /* one "K=V"; execve() takes no longer string */
	RETIRED_MAX = 8,
};

struct door_client {
	struct core *core;
	struct config_from from; /* owned */
	char *subject;
	char *roots; /* NULL: nothing is said of them */
	struct client *client, *next; /* next waits for variables */
	struct client_load *load; /* a fault of it counts for the lines that waited for it */
	bool fresh; /* load was not looked at yet */
	struct client *retired[RETIRED_MAX];
	size_t retired_count;
	struct approver *approver; /* NULL: nobody can be asked */
	struct error fault;
	char **env; /* "K=V", NULL-terminated */
	size_t env_count;
	char **asked; /* names, NULL-terminated */
	size_t asked_count;
	const char **wanted; /* answer of door_client_variables() */
};

static bool is_absolute(const char *path)
{
	return path && path[0] == '/';
}

int door_client_new(struct core *core, const struct config_from *from, struct door_client **ret, struct error *err)
{
	struct door_client *d;

	if (!is_absolute(from->cwd) || !is_absolute(from->config_home) || (from->path && !is_absolute(from->path)) ||
	    (from->home && !is_absolute(from->home)))
		return error_set(err, -EINVAL, "cwd, config, config_home and home must be absolute paths");
	d = calloc(1, sizeof(*d));
	if (!d)
		return error_set(err, -ENOMEM, "no memory");
	d->core = core;
	if (asprintf(&d->subject, "local:%u", (unsigned)getuid()) < 0)
		d->subject = NULL;
	if (config_from_copy(from, &d->from) < 0 || !d->subject) {
		door_client_free(d);
		return error_set(err, -ENOMEM, "no memory");
	}
	*ret = d;
	return 0;
}

static void free_list(char **list)
{
	for (size_t i = 0; list && list[i]; i++) {
		explicit_bzero(list[i], strlen(list[i]));
		free(list[i]);
	}
	free(list);
}

struct door_client *door_client_free(struct door_client *d)
{
	if (!d)
		return NULL;
	door_client_unask(d);
	client_load_free(d->load);
	while (d->retired_count > 0)
		client_free(d->retired[--d->retired_count]);
	client_free(d->client);
	client_free(d->next);
	error_done(&d->fault);
	free_list(d->env);
	free_list(d->asked);
	free(d->wanted);
	config_from_done(&d->from);
	free(d->roots);
	free(d->subject);
	free(d);
	return NULL;
}

static bool was_asked(const struct door_client *d, const char *name)
{
	for (size_t i = 0; i < d->asked_count; i++)
		if (strcmp(d->asked[i], name) == 0)
			return true;
	return false;
}

const char *const *door_client_variables(struct door_client *d)
{
	static const char *const none[] = {NULL};
	const char *const *names = d->next ? client_variables(d->next) : none;
	size_t n = 0, wanted = 0;

	while (names[n])
		n++;
	free(d->wanted);
	d->wanted = calloc(n + 1, sizeof(*d->wanted));
	if (!d->wanted)
		return none;
	for (size_t i = 0; i < n; i++)
		if (!was_asked(d, names[i]))
			d->wanted[wanted++] = names[i];
	return d->wanted;
}

static enum door_client_state adopt_next(struct door_client *d)
{
	static char *const nothing[] = {NULL};
	const char *const *env = (const char *const *)(d->env ? d->env : nothing);

	error_done(&d->fault);
	if (client_resolve(d->next, env, &d->fault) < 0) {
		d->next = client_free(d->next);
		return DOOR_CLIENT_FAULTY;
	}
	if (d->retired_count == RETIRED_MAX) { /* runs of the oldest that nobody follows end here */
		client_free(d->retired[0]);
		memmove(d->retired, d->retired + 1, --d->retired_count * sizeof(*d->retired));
	}
	if (d->client)
		d->retired[d->retired_count++] = d->client;
	d->client = TAKE_PTR(d->next);
	client_set_approver(d->client, d->approver);
	return DOOR_CLIENT_READY;
}

static bool is_current(const struct door_client *d)
{
	return d->client && !d->fault.code && !config_is_stale(client_config(d->client));
}

static struct client_info info_of(const struct door_client *d)
{
	return (struct client_info){.subject = d->subject, .from = d->from, .roots = d->roots, .load = d->load};
}

/* One that is not needed any more holds a whole configuration, and keeps the next one from being read beside the loop.
 */
static void drop_load(struct door_client *d, bool needed)
{
	if (d->load && client_load_is_over(d->load) && !(needed && (d->fresh || client_load_has_config(d->load))))
		d->load = client_load_free(d->load);
}

bool door_client_load(struct door_client *d, void (*done)(void *user), void *user)
{
	struct client_info info = info_of(d);
	bool needed = !d->next && !is_current(d);

	drop_load(d, needed);
	if (d->load || !needed) {
		d->fresh = false;
		return false;
	}
	d->load = client_load_start(d->core, &info, done, user);
	d->fresh = d->load;
	return d->load;
}

enum door_client_state door_client_check(struct door_client *d)
{
	struct client_info info = info_of(d);

	if (!d->next && is_current(d))
		return DOOR_CLIENT_READY;
	if (!d->next) {
		error_done(&d->fault);
		d->fresh = false;
		if (client_new(d->core, &info, &d->next, &d->fault) < 0)
			return DOOR_CLIENT_FAULTY;
		drop_load(d, false);
	}
	return door_client_variables(d)[0] ? DOOR_CLIENT_WANTS_VARIABLES : adopt_next(d);
}

static bool equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

int door_client_set_roots(struct door_client *d, const char *roots)
{
	_cleanup_free_ char *own = NULL;

	if (equal(d->roots, roots))
		return 0;
	if (string_copy(roots, &own) < 0 || (d->client && client_set_roots(d->client, roots) < 0) ||
	    (d->next && client_set_roots(d->next, roots) < 0))
		return -ENOMEM; /* said once more, they are set once more */
	free(d->roots);
	d->roots = TAKE_PTR(own);
	return 0;
}

bool door_client_wants_roots(const struct door_client *d)
{
	const struct config *config = d->client ? client_config(d->client) : NULL;

	return config && config_wants_roots(config);
}

int door_client_ask(struct door_client *d, bool follows_all, const struct approver_events *events, void *user,
		    struct error *err)
{
	int r;

	if (d->approver)
		return error_set(err, -EALREADY, "this connection is asked already");
	r = approver_new(d->core, d->subject, follows_all, events, user, &d->approver, err);
	if (r < 0)
		return r;
	if (d->client)
		client_set_approver(d->client, d->approver);
	for (size_t i = 0; i < d->retired_count; i++)
		client_set_approver(d->retired[i], d->approver);
	return 0;
}

struct approver *door_client_approver(const struct door_client *d)
{
	return d->approver;
}

void door_client_unask(struct door_client *d)
{
	d->approver = approver_free(d->approver);
}

struct core *door_client_core(const struct door_client *d)
{
	return d->core;
}

const char *door_client_subject(const struct door_client *d)
{
	return d->subject;
}

struct client *door_client_get(const struct door_client *d)
{
	return d->client;
}

bool door_client_stops(const struct door_client *d)
{
	return core_is_stopping(d->core);
}

const char *door_client_fault(const struct door_client *d)
{
	return error_text(&d->fault);
}

static int list_add(char ***list, size_t *count, const char *text)
{
	char **items = realloc(*list, (*count + 2) * sizeof(*items));

	if (!items)
		return -ENOMEM;
	*list = items;
	items[*count] = strdup(text);
	if (!items[*count])
		return -ENOMEM;
	items[++*count] = NULL;
	return 0;
}

static int keep_value(struct door_client *d, const char *pair, struct error *err)
{
	const char *equals = strchr(pair, '=');
	size_t n = equals ? (size_t)(equals + 1 - pair) : 0;

	if (n < 2 || strlen(pair) > VALUE_BYTES_MAX)
		return error_set(err, -EINVAL, "a variable is NAME=VALUE of at most %d bytes", VALUE_BYTES_MAX);
	for (size_t i = 0; i < d->env_count; i++) {
		char *value;

		if (strncmp(d->env[i], pair, n) != 0)
			continue;
		value = strdup(pair);
		if (!value)
			return error_set(err, -ENOMEM, "no memory");
		free(d->env[i]);
		d->env[i] = value;
		return 0;
	}
	if (d->env_count >= VALUES_MAX)
		return error_set(err, -E2BIG, "more than %d variables", VALUES_MAX);
	return list_add(&d->env, &d->env_count, pair) < 0 ? error_set(err, -ENOMEM, "no memory") : 0;
}

int door_client_bring(struct door_client *d, const json_t *values, struct error *err)
{
	const char *const *names = door_client_variables(d);
	json_t *value;
	size_t i;
	int r;

	if (!json_is_array(values))
		return error_set(err, -EINVAL, "values: a list of NAME=VALUE is wanted");
	if (json_array_size(values) > VALUES_MAX) /* each is looked for among those that are kept */
		return error_set(err, -E2BIG, "more than %d variables", VALUES_MAX);
	json_array_foreach (values, i, value) {
		if (!json_is_string(value))
			return error_set(err, -EINVAL, "values: a list of NAME=VALUE is wanted");
		r = keep_value(d, json_string_value(value), err);
		if (r < 0)
			return r;
	}
	for (; *names; names++)
		if (list_add(&d->asked, &d->asked_count, *names) < 0)
			return error_set(err, -ENOMEM, "no memory");
	return 0;
}
