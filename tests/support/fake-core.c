/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A core that pretends, so that the doors and the command line can be tried by themselves. What a run does, its code
 * says: "print TEXT"  output TEXT, then value 1      "sleep MS"   ends after MS      "fail"  an error      "hang" never
 * ends "big N"       a value of N bytes       "... request ..."  the request as it came       anything else: the value
 * 1. The configuration of a client in a folder named "slow" is read for LOAD_MS, beside the loop.
 */
#include "broker/core/approvals.h"

#include "base/ids.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct core {
	struct loop *loop;
	size_t clients, runs;
	struct run *kept;
	bool stopping;
};
struct client {
	struct core *core;
	struct config *config;
	const char **variables;
};
struct run_result {
	const char *id;
	const char *status;
	char *value, *error;
};
struct run {
	struct core *core;
	struct client *client;
	char id[ID_TEXT_MAX];
	char *code;
	struct loop_timer *timer;
	struct run_events events;
	void *user;
	struct run_result result;
	bool finished;
	struct run *next;
};

const struct json_field run_request_table[] = {
	{.name = "code",
	 .kind = JSON_KIND_STRING,
	 .offset = offsetof(struct run_request, code),
	 .required = true,
	 .most = 4 << 20,
	 .text = "The program."},
	{.name = "language",
	 .kind = JSON_KIND_ENUM,
	 .offset = offsetof(struct run_request, language),
	 .names = (const char *const[]){"javascript", "typescript", "python", "bash", NULL},
	 .text = "Its language."},
	{.name = "timeout_ms",
	 .alias = "timeout",
	 .kind = JSON_KIND_INTEGER,
	 .offset = offsetof(struct run_request, timeout_ms),
	 .most = 900000,
	 .text = "Wall time in ms."},
	{.name = "allowed_tools",
	 .kind = JSON_KIND_STRINGS,
	 .offset = offsetof(struct run_request, allowed_tools),
	 .most = 256,
	 .text = "Globs."},
	{.name = "environment",
	 .kind = JSON_KIND_STRING,
	 .offset = offsetof(struct run_request, environment),
	 .text = "Packages."},
	{.name = "data",
	 .kind = JSON_KIND_SPAN,
	 .offset = offsetof(struct run_request, data),
	 .most = 4 << 20,
	 .text = "A value."},
};
const size_t run_request_count = ARRAY_SIZE(run_request_table);

int run_request_schema(const struct config *c, struct buf *out)
{
	return json_table_schema(run_request_table, run_request_count, out);
}

const struct json_field search_request_table[] = {
	{.name = "query", .kind = JSON_KIND_STRING, .offset = offsetof(struct search_request, query), .text = "Words."},
	{.name = "detail_level",
	 .kind = JSON_KIND_ENUM,
	 .offset = offsetof(struct search_request, detail),
	 .names = (const char *const[]){"full", "descriptions", "names", NULL},
	 .text = "How much."},
	{.name = "limit",
	 .kind = JSON_KIND_INTEGER,
	 .offset = offsetof(struct search_request, limit),
	 .text = "How many."},
	{.name = "offset",
	 .kind = JSON_KIND_INTEGER,
	 .offset = offsetof(struct search_request, offset),
	 .text = "From."},
};
const size_t search_request_count = ARRAY_SIZE(search_request_table);

int core_new(struct loop *loop, struct spawner *spawner, const struct core_options *options, struct core **ret,
	     struct error *err)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return error_set(err, -ENOMEM, "no memory");
	(*ret)->loop = loop;
	return 0;
}

void core_shutdown(struct core *core, void (*done)(void *user), void *user)
{
	core->stopping = true;
	for (struct run *run = core->kept; run; run = run->next)
		run_cancel(run, "the broker is stopping");
	loop_defer(core->loop, done, user);
}

size_t core_clean_line(struct core *core, char *line, size_t len)
{
	return len; /* it has no secrets */
}

struct core *core_free(struct core *core)
{
	while (core && core->kept) {
		struct run *run = core->kept;

		core->kept = run->next;
		loop_timer_free(run->timer);
		free(run->result.value);
		free(run->code);
		free(run);
	}
	free(core);
	return NULL;
}

bool core_is_idle(const struct core *core)
{
	return core->clients == 0 && core->runs == 0;
}

bool core_is_stopping(const struct core *core)
{
	return core->stopping;
}

/* ---- clients ---- */

enum { LOAD_MS = 300 };

struct client_load {
	struct loop_timer *timer;
	struct config *config;
	struct error fault;
	struct config_from from; /* owned */
	bool over;
	void (*done)(void *user);
	void *user;
};

unsigned fake_core_loads, fake_core_reads; /* beside the loop, and on it */

static void destroy_load(struct client_load *l)
{
	loop_timer_free(l->timer);
	config_free(l->config);
	error_done(&l->fault);
	config_from_done(&l->from);
	free(l);
}

static void on_loaded(void *user)
{
	struct client_load *l = user;

	(void)!config_load(&l->from, &l->config, &l->fault);
	l->over = true;
	if (l->done)
		l->done(l->user);
	else
		destroy_load(l);
}

struct client_load *client_load_start(struct core *core, const struct client_info *info, void (*done)(void *user),
				      void *user)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct client_load *l;

	if (strcmp(strrchr(info->from.cwd, '/'), "/slow") != 0)
		return NULL;
	l = calloc(1, sizeof(*l));
	l->done = done;
	l->user = user;
	if (config_from_copy(&info->from, &l->from) < 0 ||
	    loop_timer_new(core->loop, on_loaded, l, &l->timer, &err) < 0)
		abort();
	loop_timer_start(l->timer, LOAD_MS);
	fake_core_loads++;
	return l;
}

bool client_load_is_over(const struct client_load *l)
{
	return l->over;
}

bool client_load_has_config(const struct client_load *l)
{
	return l->over && l->config && !config_is_stale(l->config);
}

struct client_load *client_load_free(struct client_load *l)
{
	if (l && l->over)
		destroy_load(l);
	else if (l)
		l->done = NULL;
	return NULL;
}

static int read_config(const struct client_info *info, struct config **ret, struct error *err)
{
	struct client_load *l = info->load;

	if (l && l->over && l->fault.code)
		return error_set(err, l->fault.code, "%s", error_text(&l->fault));
	if (l && client_load_has_config(l)) {
		*ret = TAKE_PTR(l->config);
		return 0;
	}
	fake_core_reads++;
	return config_load(&info->from, ret, err);
}

int client_new(struct core *core, const struct client_info *info, struct client **ret, struct error *err)
{
	struct client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return error_set(err, -ENOMEM, "no memory");
	c->core = core;
	r = read_config(info, &c->config, err);
	if (r < 0) {
		free(c);
		return r;
	}
	core->clients++;
	*ret = c;
	return 0;
}

const char *const *client_variables(const struct client *c)
{
	static const char *const none[] = {NULL};

	return c->config->variables.items ? (const char *const *)c->config->variables.items : none;
}

int client_resolve(struct client *c, const char *const *env, struct error *err)
{
	return 0;
}

int client_set_roots(struct client *c, const char *roots)
{
	return 0;
}

const struct config *client_config(const struct client *c)
{
	return c->config;
}

struct client *client_free(struct client *c)
{
	if (!c)
		return NULL;
	c->core->clients--;
	config_free(c->config);
	free(c);
	return NULL;
}

static void end_run(struct run *run, const char *status, const char *error)
{
	if (run->finished)
		return;
	run->finished = true;
	run->core->runs--;
	run->result.status = status;
	run->result.error = (char *)error;
	if (run->events.end)
		run->events.end(run->user, &run->result);
}

static char *request_text(const struct run_request *r)
{
	static const char *const names[] = {"javascript", "typescript", "python", "bash"};
	struct buf out = BUF_INIT(8 << 20);
	int rc = buf_printf(&out, "{\"language\":\"%s\",\"timeout_ms\":%lld,\"allowed_tools\":[", names[r->language],
			    (long long)r->timeout_ms);

	for (size_t i = 0; rc == 0 && i < r->allowed_tools.count; i++)
		rc = buf_printf(&out, "%s\"%s\"", i ? "," : "", r->allowed_tools.items[i]);
	if (rc == 0)
		rc = buf_printf(&out, "],\"data\":%.*s}", r->data.p ? (int)r->data.len : 4,
				r->data.p ? r->data.p : "null");
	return rc == 0 ? buf_steal(&out, NULL) : NULL;
}

static void on_timer(void *user)
{
	struct run *run = user;
	size_t big = 0;

	if (strncmp(run->code, "print ", 6) == 0 && run->events.output)
		run->events.output(run->user, 1, (const uint8_t *)run->code + 6, strlen(run->code + 6));
	if (sscanf(run->code, "big %zu", &big) == 1) {
		run->result.value = malloc(big + 3);
		memset(run->result.value, 'x', big + 2);
		run->result.value[0] = run->result.value[big + 1] = '"';
		run->result.value[big + 2] = '\0';
	}
	end_run(run, strcmp(run->code, "fail") == 0 ? "error" : "ok", strcmp(run->code, "fail") == 0 ? "Boom" : NULL);
}

int run_start(struct client *c, const struct run_request *request, const struct run_events *events, void *user,
	      struct run **ret, struct error *err)
{
	struct run *run = calloc(1, sizeof(*run));
	unsigned ms = 1;

	if (!run || loop_timer_new(c->core->loop, on_timer, run, &run->timer, err) < 0)
		return -ENOMEM;
	id_make(run->id, "run");
	run->result.id = run->id;
	run->core = c->core;
	run->client = c;
	run->code = strdup(request->code);
	if (strstr(request->code, "request"))
		run->result.value = request_text(request);
	run->events = *events;
	run->user = user;
	run->next = c->core->kept;
	c->core->kept = run;
	c->core->runs++;
	(void)!sscanf(request->code, "sleep %u", &ms);
	if (strcmp(request->code, "hang") != 0)
		loop_timer_start(run->timer, ms);
	*ret = run;
	return 0;
}

const char *run_id(const struct run *run)
{
	return run->id;
}

struct run *run_find(struct client *c, const char *id)
{
	struct run *run = c->core->kept;

	while (run && strcmp(run->id, id) != 0)
		run = run->next;
	return run;
}

const struct run_result *run_finished(const struct run *run)
{
	return run->finished ? &run->result : NULL;
}

void run_follow(struct run *run, const struct run_events *events, void *user)
{
	run->events = events ? *events : (struct run_events){0};
	run->user = user;
}

static void on_cancelled(void *user)
{
	end_run(user, "cancelled", "cancelled");
}

void run_cancel(struct run *run, const char *reason)
{
	loop_timer_stop(run->timer);
	loop_defer(run->core->loop, on_cancelled, run);
}

int run_progress_text(const struct run *run, struct buf *out)
{
	return buf_append_str(out, "so far nothing");
}

int run_result_json(const struct run_result *r, size_t max_result, size_t max_text, struct buf *out)
{
	const char *value = r->error ? "null" : r->value ? r->value : "1";

	return buf_printf(out,
			  "{\"result\":%.*s%s,\"logs\":[],\"error\":%s%s%s,\"execution_time\":0.001,\"status\":\"%s\","
			  "\"run_id\":\"run_x\",\"stdout\":\"\",\"stderr\":\"\",\"exit_code\":0}",
			  max_text && strlen(value) > max_text ? (int)max_text : (int)strlen(value), value,
			  max_text && strlen(value) > max_text ? "\"" : "", r->error ? "\"" : "",
			  r->error ? r->error : "null", r->error ? "\"" : "", r->status);
}

int run_result_slice(const struct run_result *r, size_t offset, size_t max, struct buf *out, size_t *ret_total,
		     struct error *err)
{
	const char *value = r->error ? r->error : r->value ? r->value : "1";
	size_t total = strlen(value), n;

	*ret_total = total;
	if (offset > total)
		return error_set(err, -ERANGE, "offset");
	n = total - offset < max ? total - offset : max;
	return buf_append(out, value + offset, n);
}

int run_result_text(const struct run_result *r, size_t max, struct buf *out)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	size_t total = 0, half = max / 2;
	int rc = run_result_slice(r, 0, 0, out, &total, &err);

	if (rc == 0 && total <= max)
		return run_result_slice(r, 0, max, out, &total, &err);
	if (rc == 0)
		rc = run_result_slice(r, 0, half, out, &total, &err);
	if (rc == 0)
		rc = buf_printf(
			out, "\n[... %zu bytes left out; wait_run {\"run_id\":\"%s\",\"offset\":%zu} reads on ...]\n",
			total - 2 * half, r->id, half);
	return rc < 0 ? rc : run_result_slice(r, total - half, half, out, &total, &err);
}

void run_result_read(const struct run_result *r, void (*make)(void *user), void (*done)(void *user), void *user)
{
	make(user);
	done(user);
}

const char *run_result_status(const struct run_result *r)
{
	return r->status;
}

/* Nobody follows what is pretended. */
struct run_watch *run_watch(struct run *run, const struct run_events *events, void *user)
{
	return NULL;
}

struct run_watch *run_unwatch(struct run_watch *watch)
{
	return NULL;
}

int run_look_up(const struct core *core, const char *subject, const char *text, struct run **ret, struct error *err)
{
	return error_set(err, -ENOENT, "there is no run %s", text);
}

int runs_list(const struct core *core, const char *subject, struct buf *out)
{
	return buf_append_str(out, "[]");
}

int run_output_read(const struct run *run, uint64_t *offset, size_t max,
		    void (*fn)(void *user, unsigned channel, const char *data, size_t len), void *user)
{
	return 0;
}

int sandboxes_list(const struct core *core, struct buf *out)
{
	return buf_append_str(out, "[]");
}

bool run_result_ok(const struct run_result *r)
{
	return strcmp(r->status, "ok") == 0;
}

struct search {
	search_done_fn *done;
	void *user;
};

static void on_search(void *user)
{
	struct search *s = user;
	struct buf out = BUF_INIT(4096);

	if (buf_append_str(&out,
			   "{\"meta\":{\"total_tools\":1,\"namespaces\":[\"fake\"],\"result_count\":1},\"results\":"
			   "[{\"name\":\"echo\",\"server\":\"fake\",\"description\":\"Says it again.\"}]}") == 0)
		s->done(s->user, &out, NULL);
	buf_done(&out);
	free(s);
}

int tools_search(struct client *c, const struct search_request *request, search_done_fn *done, void *user,
		 struct error *err)
{
	struct search *s = calloc(1, sizeof(*s));

	*s = (struct search){done, user};
	loop_defer(c->core->loop, on_search, s);
	return 0;
}

int tools_servers(struct client *c, struct buf *out)
{
	return buf_append_str(out,
			      "[{\"name\":\"fake\",\"id\":\"fake\",\"state\":\"ready\",\"tools\":1,\"problem\":\"\"}]");
}

struct call {
	call_done_fn *done;
	void *user;
	char *args;
};

static void on_call(void *user)
{
	struct call *call = user;
	struct buf body = BUF_INIT(1 << 20);
	struct call_reply reply = {.ok = true, .body = &body};

	if (buf_printf(&body, "{\"content\":[{\"type\":\"text\",\"text\":\"called\"}],\"args\":%s}", call->args) == 0)
		call->done(call->user, &reply);
	buf_done(&body);
	free(call->args);
	free(call);
}

int call_start(struct client *c, const char *server, const char *tool, struct span args, call_done_fn *done, void *user,
	       struct call **ret, struct error *err)
{
	struct call *call = calloc(1, sizeof(*call));

	*call = (struct call){done, user, strndup(args.p, args.len)};
	loop_defer(c->core->loop, on_call, call);
	*ret = call;
	return 0;
}

void call_cancel(struct call *call)
{
}

void server_health(struct client *c, const char *server, struct server_health *ret)
{
	*ret = (struct server_health){0};
}

void core_report(struct core *core, struct client *c, doctor_tell_fn *tell, void (*done)(void *user), void *user)
{
	loop_defer(core->loop, done, user);
	tell(user, "wall", "there is none: this is a core for tests", 1);
}

/* ---- nobody is ever asked ---- */

int approver_new(struct core *core, const char *subject, bool follows_all, const struct approver_events *events,
		 void *user, struct approver **ret, struct error *err)
{
	return error_set(err, -ENOTSUP, "this core asks nobody");
}

struct approver *approver_free(struct approver *approver)
{
	return NULL;
}

void client_set_approver(struct client *c, struct approver *approver)
{
}

void approver_catch_up(struct approver *approver)
{
}

void approver_decline(struct approver *approver, const struct approval *a)
{
}

const char *approval_id(const struct approval *a)
{
	return "";
}

const char *approval_outcome(const struct approval *a)
{
	return NULL;
}

const char *approval_by(const struct approval *a)
{
	return NULL;
}

const char *approval_note(const struct approval *a)
{
	return NULL;
}

struct span approval_form(const struct approval *a)
{
	return SPAN_NONE;
}

bool approval_has_always(const struct approval *a)
{
	return false;
}

int approval_text(const struct approval *a, struct buf *out)
{
	return 0;
}

int approval_json(const struct approval *a, struct buf *out)
{
	return buf_append_str(out, "{}");
}

int approvals_list(struct core *core, const char *subject, struct buf *out)
{
	return buf_append_str(out, "[]");
}

int approval_answer(struct core *core, const char *subject, const char *id, const struct approval_answer *answer,
		    struct buf *note, struct error *err)
{
	return error_set(err, -ENOENT, "there is no question %s", id);
}

int approvals_forget(struct client *c, const char *name, struct error *err)
{
	return error_set(err, -ENOENT, "no rule allows %s", name);
}
