/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that code makes: from the machine into the pipeline and back, and the counts for the result. */
#include "broker/core/calls.h"
#include "broker/core/runs.h"

#include <string.h>

struct run_link {
	struct run_link *prev, *next;
	struct run *run;
	struct machine_call *machine_call;
	struct call *call;
};

static void free_link(struct run_link *link)
{
	DL_DELETE(link->run->links, link);
	link->run->calls_open--;
	runs_wait_review(link->run);
	free(link);
}

void runs_drop_link(struct run_link *link)
{
	calls_forget(link->call);
	free_link(link);
}

static int put_head(struct buf *head, const struct call_reply *reply)
{
	int r;

	if (reply->ok)
		return buf_append_str(head, "{\"ok\":true}");
	r = buf_printf(head, "{\"ok\":false,\"kind\":\"%s\",\"retryable\":%s", reply->kind,
		       reply->retryable ? "true" : "false");
	if (r == 0)
		r = buf_append_member(head, "message", reply->message ? reply->message : reply->kind);
	if (r == 0 && reply->fix)
		r = buf_append_member(head, "fix", reply->fix);
	return r ? r : buf_append_str(head, "}");
}

static void on_reply(void *user, const struct call_reply *reply)
{
	static const char plain[] = "{\"ok\":false,\"kind\":\"internal\",\"message\":\"the answer has no head\"}";
	struct run_link *link = user;
	_cleanup_buf_ struct buf head = BUF_INIT(FRAME_HEAD_MAX);

	if (put_head(&head, reply) == 0)
		machine_call_reply(link->machine_call, span_of(buf_head(&head), head.len), reply->body);
	else
		machine_call_reply(link->machine_call, SPAN_LIT(plain), NULL);
	free_link(link);
}

void runs_on_call(struct run *run, struct machine_call *machine_call)
{
	const struct machine_call_facts *facts = machine_call_facts(machine_call);
	struct call_request request = {.view = run->view,
				       .run = run,
				       .server = facts->server,
				       .tool = facts->tool,
				       .timeout_ms = facts->timeout_ms};
	struct run_link *link = calloc(1, sizeof(*link));
	struct buf args;

	if (!link)
		abort();
	link->run = run;
	link->machine_call = machine_call;
	DL_APPEND(run->links, link);
	run->calls_open++;
	machine_call_take_args(machine_call, &args);
	request.args = &args;
	link->call = calls_start(&request, on_reply, link);
	runs_wait_review(run);
}

void runs_on_call_cancelled(struct run *run, struct machine_call *machine_call)
{
	struct run_link *link;

	DL_FOREACH (run->links, link) {
		if (link->machine_call != machine_call)
			continue;
		runs_drop_link(link);
		return;
	}
}

struct tool_count *runs_get_count(struct run *run, const char *server, const char *tool)
{
	_cleanup_free_ char *key = NULL;
	struct tool_count *count;

	if (asprintf(&key, "%s\n%s", server, tool) < 0) {
		key = NULL;
		return NULL;
	}
	HASH_FIND_STR(run->counts, key, count);
	if (count)
		return count;
	count = calloc(1, sizeof(*count));
	if (!count)
		return NULL;
	count->server = strdup(server);
	count->tool = strdup(tool);
	count->key = TAKE_PTR(key);
	HASH_ADD_KEYPTR(hh, run->counts, count->key, strlen(count->key), count);
	return count;
}

/* Code may have spelled anything; NULL: no memory. */
static char *clean_name(const struct run *run, const char *name)
{
	size_t len = strlen(name);
	struct buf text = BUF_INIT(2 * len + 1024);

	if (buf_append(&text, name, len) < 0)
		return NULL;
	redact_buf(run->view->redact, &text);
	return buf_steal(&text, NULL);
}

void runs_count(struct run *run, const char *server, const char *tool, const char *kind, uint64_t ms, uint64_t bytes)
{
	_cleanup_free_ char *clean_server = clean_name(run, server), *clean_tool = clean_name(run, tool);
	struct tool_count *count = clean_server && clean_tool ? runs_get_count(run, clean_server, clean_tool) : NULL;

	if (!count)
		return;
	count->calls++;
	count->errors += kind != NULL;
	count->denied += kind && strcmp(kind, "denied") == 0;
	count->ms += ms;
	count->bytes += bytes;
}
