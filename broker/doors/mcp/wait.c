/* SPDX-License-Identifier: Apache-2.0 */
/* wait_run: go on waiting for a run that yielded, end it, or read more of what it gave. */
#include "broker/doors/mcp/internal.h"
#include "broker/doors/mcp/tables.h"

#include <stddef.h>

const struct json_field mcp_wait_table[] = {
	{.name = "run_id",
	 .kind = JSON_KIND_STRING,
	 .offset = offsetof(struct mcp_wait_request, run_id),
	 .required = true,
	 .most = 64,
	 .text = "The run."},
	{.name = "cancel",
	 .kind = JSON_KIND_BOOLEAN,
	 .offset = offsetof(struct mcp_wait_request, cancel),
	 .text = "End it instead of waiting."},
	{.name = "offset",
	 .kind = JSON_KIND_INTEGER,
	 .offset = offsetof(struct mcp_wait_request, offset),
	 .least = -1,
	 .preset = -1,
	 .text = "Read the finished run's text from this byte on."},
};
const size_t mcp_wait_count = ARRAY_SIZE(mcp_wait_table);

static void begin(struct mcp_request *q, const struct mcp_wait_request *request, bool has_offset)
{
	const struct run_result *result;

	q->run = run_find(mcp_client(q), request->run_id);
	if (!q->run) {
		mcp_answer_text(q, true, "not_found: there is no run %s; the last %d finished runs are kept",
				request->run_id, (int)client_config(mcp_client(q))->limits.runs_kept);
		return;
	}
	q->has_offset = has_offset;
	q->offset = (size_t)request->offset;
	result = run_finished(q->run);
	if (result) {
		mcp_answer_result(q, result);
		return;
	}
	mcp_follow(q);
	if (request->cancel)
		run_cancel(q->run, "cancelled by the client");
}

void mcp_wait_run(struct mcp_request *q, struct span arguments)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct mcp_wait_request request = {0};
	json_auto_t *p = NULL;
	int r = mcp_decode(arguments, mcp_wait_table, mcp_wait_count, &request, &p, &err);

	if (r < 0)
		mcp_answer_text(q, true, "%s", error_text(&err));
	else
		begin(q, &request, json_object_get(p, "offset") != NULL);
	json_table_done(mcp_wait_table, mcp_wait_count, &request);
}
