/* SPDX-License-Identifier: Apache-2.0 */
/* Tools of the broker itself, for code: server "hawser". They read the catalogue and the run, and touch nothing. */
#include "broker/core/calls.h"

#include <errno.h>
#include <string.h>

static const char *const detail_names[] = {"full", "descriptions", "names", NULL};

const struct json_field search_request_table[] = {
	{.name = "query",
	 .kind = JSON_KIND_STRING,
	 .offset = offsetof(struct search_request, query),
	 .most = 1024,
	 .text = "Words to look for in tool names, servers, descriptions and parameters; empty lists all tools."},
	{.name = "detail_level",
	 .kind = JSON_KIND_ENUM,
	 .offset = offsetof(struct search_request, detail),
	 .names = detail_names,
	 .text = "full: with schemas and a signature; descriptions; or names only."},
	{.name = "limit",
	 .kind = JSON_KIND_INTEGER,
	 .offset = offsetof(struct search_request, limit),
	 .least = 0,
	 .most = 10000,
	 .text = "Most results; 0 is all."},
	{.name = "offset",
	 .kind = JSON_KIND_INTEGER,
	 .offset = offsetof(struct search_request, offset),
	 .least = 0,
	 .most = 1000000,
	 .text = "Results to skip."},
};
const size_t search_request_count = ARRAY_SIZE(search_request_table);

static int search_tools(struct view *view, struct run *run, json_t *args, search_done_fn *done, void *user,
			struct error *err)
{
	struct search_request request = {0};
	int r = json_table_decode(search_request_table, search_request_count, args, false, &request, err);

	(void)run;
	if (r < 0)
		return r;
	r = builtins_search(view, &request, done, user, err);
	json_table_done(search_request_table, search_request_count, &request);
	return r;
}

static int list_tools(struct view *view, struct run *run, json_t *args, search_done_fn *done, void *user,
		      struct error *err)
{
	struct search_request request = {.detail = 2};

	(void)run, (void)args;
	return builtins_search(view, &request, done, user, err);
}

static int budget(struct view *view, struct run *run, json_t *args, search_done_fn *done, void *user, struct error *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(4096);
	int r;

	(void)view, (void)args;
	if (!run)
		return error_set(err, -EINVAL, "budget() is about a run: call it from code");
	r = runs_budget(run, &out);
	if (r < 0)
		return error_set(err, r, "no memory for the answer");
	done(user, &out, NULL);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(struct view *view, struct run *run, json_t *args, search_done_fn *done, void *user,
		  struct error *err);
} builtins[] = {
	{"search_tools", search_tools},
	{"list_tools", list_tools},
	{"budget", budget},
};

int builtins_call(struct view *view, struct run *run, const char *tool, struct span args, search_done_fn *done,
		  void *user, struct error *err)
{
	json_auto_t *parsed = NULL;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++) {
		if (strcmp(builtins[i].name, tool) != 0)
			continue;
		if (args.len > FRAME_HEAD_MAX)
			return error_set(err, -EINVAL, "the arguments of %s are too large", tool);
		r = json_parse(args.p, args.len, &parsed, err);
		if (r < 0)
			return r;
		return builtins[i].fn(view, run, parsed, done, user, err);
	}
	return error_set(err, -ENOENT, "hawser has no tool %s; it has search_tools, list_tools and budget", tool);
}
