/* SPDX-License-Identifier: Apache-2.0 */
/* The object: its options, its state, its memory. What it does is in session.c, tools.c and calls.c. */
#include "broker/upstream/internal.h"

#include "base/strings.h"
#include "broker/upstream/environment.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void upstream_ref(struct upstream *u)
{
	u->refs++;
}

static void destroy(struct upstream *u)
{
	free(u->name);
	free(u->cwd);
	free(u->url);
	free(u->ca_file);
	free(u->proxy);
	free(u->no_proxy);
	free(u->roots);
	strings_free(u->headers);
	free(u->problem);
	strings_free(u->argv);
	strings_free(u->envp);
	free(u);
}

void upstream_unref(struct upstream *u)
{
	if (--u->refs == 0)
		destroy(u);
}

static int copy_text(const char *text, char **ret)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

static int copy_texts(struct upstream *u, const struct upstream_options *o, struct error *err)
{
	if (copy_text(o->name, &u->name) < 0 || copy_text(o->cwd, &u->cwd) < 0 || copy_text(o->url, &u->url) < 0 ||
	    copy_text(o->ca_file, &u->ca_file) < 0 || copy_text(o->proxy, &u->proxy) < 0 ||
	    copy_text(o->no_proxy, &u->no_proxy) < 0 || copy_text(o->roots, &u->roots) < 0)
		return error_set(err, -ENOMEM, "no memory for a server");
	return 0;
}

static int copy_options(struct upstream *u, const struct upstream_options *o, struct error *err)
{
	const char *const command[] = {o->command, NULL};
	int r = copy_texts(u, o, err);

	if (r == 0 && !o->url)
		r = environment_build(o->inherited, o->env, &u->envp, err);
	if (r < 0)
		return r;
	if (o->url)
		u->headers = strings_copy(o->headers);
	else
		u->argv = strings_join(command, o->args);
	if (!u->headers && !u->argv)
		return error_set(err, -ENOMEM, "no memory for a server");
	u->old_sse = o->old_sse;
	u->offers_roots = o->offers_roots;
	u->start_timeout_ms = o->start_timeout_ms ? o->start_timeout_ms : UPSTREAM_START_MS;
	u->backoff_first_ms = o->backoff_ms ? o->backoff_ms : UPSTREAM_BACKOFF_MS;
	u->step_ms = o->step_ms ? o->step_ms : UPSTREAM_STEP_MS;
	u->message_max = o->message_max ? o->message_max : UPSTREAM_MESSAGE_MAX;
	u->redact = o->redact;
	u->redact_user = o->redact_user;
	return 0;
}

int upstream_new(struct loop *loop, struct spawner *spawner, const struct upstream_options *options,
		 const struct upstream_events *events, void *user, struct upstream **ret, struct error *err)
{
	struct upstream *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return error_set(err, -ENOMEM, "no memory for a server");
	u->loop = loop;
	u->spawner = spawner;
	u->events = *events;
	u->user = user;
	u->refs = 1;
	r = copy_options(u, options, err);
	if (r == 0)
		r = session_init(u, options->log_path, err);
	if (r == 0)
		r = tools_init(u, err);
	if (r == 0)
		r = calls_init(u, err);
	if (r < 0) {
		upstream_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

static void on_gone(void *user)
{
	struct upstream *u = user;

	if (u->leaving == 0 && u->gone)
		u->gone(u->gone_user);
	upstream_unref(u);
}

static void on_unref(void *user)
{
	upstream_unref(user);
}

struct upstream *upstream_close(struct upstream *u, void (*gone)(void *user), void *user)
{
	bool leaves;

	if (!u)
		return NULL;
	u->freed = true;
	calls_done(u);
	session_done(u);
	tools_done(u);
	u->gone = gone;
	u->gone_user = user;
	leaves = u->leaving > 0;
	/* Callbacks of it may be on the stack. */
	loop_defer(u->loop, leaves ? on_unref : on_gone, u);
	return NULL;
}

struct upstream *upstream_free(struct upstream *u)
{
	return upstream_close(u, NULL, NULL);
}

/* ---- state ---- */

static void on_tell_changed(void *user)
{
	struct upstream *u = user;

	u->change_told = false;
	if (!u->freed) {
		/* Readers of the list before drop it in this call. */
		struct tool_list *old = TAKE_PTR(u->old_tools);

		if (u->events.changed)
			u->events.changed(u->user, u);
		tool_list_free(old);
	}
	upstream_unref(u);
}

void upstream_tell_changed(struct upstream *u)
{
	if (u->change_told || u->freed)
		return;
	u->change_told = true;
	upstream_ref(u);
	loop_defer(u->loop, on_tell_changed, u);
}

static bool is_allowed(enum upstream_state from, enum upstream_state to)
{
	static const unsigned next[] = {
		[UPSTREAM_IDLE] = 1u << UPSTREAM_STARTING,
		[UPSTREAM_STARTING] = 1u << UPSTREAM_READY | 1u << UPSTREAM_FAILED,
		[UPSTREAM_READY] = 1u << UPSTREAM_BACKOFF,
		[UPSTREAM_BACKOFF] = 1u << UPSTREAM_STARTING | 1u << UPSTREAM_IDLE,
		[UPSTREAM_FAILED] = 1u << UPSTREAM_STARTING,
	};

	return next[from] & 1u << to;
}

void upstream_set_state(struct upstream *u, enum upstream_state state, const char *problem)
{
	char *copy = problem ? strdup(problem) : NULL;

	assert(is_allowed(u->state, state));
	u->state = state;
	free(u->problem);
	u->problem = copy;
	upstream_tell_changed(u);
}

enum upstream_state upstream_state(const struct upstream *u)
{
	return u->state;
}

const char *upstream_name(const struct upstream *u)
{
	return u->name;
}

int upstream_start_error(const struct upstream *u)
{
	return u->start_error;
}

const char *upstream_problem(const struct upstream *u)
{
	return u->problem ? u->problem : "";
}

const char *upstream_notice(const struct upstream *u)
{
	return u->list_notice ? u->list_notice : "";
}

const struct upstream_tool *upstream_tools(const struct upstream *u, size_t *ret_count)
{
	return tool_list_all(u->tools, ret_count);
}

const struct upstream_tool *upstream_find(const struct upstream *u, const char *tool)
{
	return tool_list_find(u->tools, tool);
}

pid_t upstream_pid(const struct upstream *u)
{
	return u->transport && u->transport->ops->pid ? u->transport->ops->pid(u->transport) : 0;
}

void upstream_clean_text(const struct upstream *u, struct buf *text)
{
	uint8_t *p;

	if (u->redact)
		u->redact(u->redact_user, text);
	if (text->len > UPSTREAM_TEXT_MAX)
		text->len = span_utf8_floor((const char *)buf_head(text), UPSTREAM_TEXT_MAX);
	p = buf_head(text);
	for (size_t i = 0; i < text->len; i++)
		if ((p[i] < 0x20 && p[i] != '\n' && p[i] != '\t') || p[i] == 0x7f)
			p[i] = '?';
}
