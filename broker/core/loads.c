/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's configuration, read on another thread: another client's file in it may have 8 MiB. It is made of copies,
 * so that it may outlive whoever wanted it: the thread writes, and after it the loop reads.
 */
#include "broker/core/internal.h"

#include "broker/clientfiles/clientfiles.h"

#include <string.h>

struct client_load {
	struct config_from from; /* owned */
	struct config *config; /* NULL: it is faulty, or was taken */
	struct error fault;
	bool over;
	void (*done)(void *user); /* NULL: nobody waits any more */
	void *user;
};

static void destroy(struct client_load *l)
{
	config_from_done(&l->from);
	config_free(l->config);
	error_done(&l->fault);
	free(l);
}

static void read_it(void *user)
{
	struct client_load *l = user;

	(void)!config_load(&l->from, &l->config, &l->fault);
}

static void on_read(void *user)
{
	struct client_load *l = user;

	l->over = true;
	if (l->done)
		l->done(l->user);
	else
		destroy(l);
}

struct client_load *client_load_start(struct core *core, const struct client_info *info, void (*done)(void *user),
				      void *user)
{
	struct config_from from = info->from;
	const struct clientfile_where where = {
		.home = from.home ? from.home : getenv("HOME"), .config_home = from.config_home, .cwd = from.cwd};
	_cleanup_error_ struct error err = ERROR_INIT;
	struct client_load *l;

	if (!where.home || where.home[0] != '/' || !clientfiles_are_large(&where))
		return NULL;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	from.state_dir = core->state_dir;
	l->done = done;
	l->user = user;
	if (config_from_copy(&from, &l->from) == 0 && loop_work_start(core->loop, read_it, on_read, l, &err) == 0)
		return l;
	destroy(l);
	return NULL;
}

bool client_load_is_over(const struct client_load *l)
{
	return l->over;
}

bool client_load_has_config(const struct client_load *l)
{
	return l->over && l->config && !config_is_stale(l->config);
}

int client_load_take(struct client_load *l, struct config **ret, struct error *err)
{
	if (l && l->over && l->fault.code)
		return error_set(err, l->fault.code, "%s", error_text(&l->fault));
	if (l && client_load_has_config(l))
		*ret = TAKE_PTR(l->config);
	return 0;
}

struct client_load *client_load_free(struct client_load *l)
{
	if (l && l->over)
		destroy(l);
	else if (l)
		l->done = NULL;
	return NULL;
}
