/* SPDX-License-Identifier: Apache-2.0 */
/* What a run was asked to do: looked at before there is one, and kept with it. Its table is runs.c's. */
#include "broker/core/runs.h"

#include <errno.h>
#include <string.h>

int run_check_request(const struct view *view, const struct run_request *request, struct error *err)
{
	if (request->timeout_ms > view->config->limits.run_most_ms)
		return error_set(err, -EINVAL,
				 "timeout_ms: %lld is over limits.run_most_ms (%lld): ask for less, or raise it",
				 (long long)request->timeout_ms, (long long)view->config->limits.run_most_ms);
	if (sandboxes_full(view->pool))
		return error_set(err, -EBUSY,
				 "%d runs wait for a sandbox already: try again later, or raise limits.runs",
				 CORE_WAITING_MAX);
	if (view->core->stopping)
		return error_set(err, -ESHUTDOWN, "the broker is stopping: try again in a moment");
	return 0;
}

int run_copy_request(struct run *run, const struct run_request *request)
{
	run->request = (struct run_request){.code = strdup(request->code), .language = request->language};
	if (!run->request.code)
		return -ENOMEM;
	if (request->data.p) {
		char *copy = strndup(request->data.p, request->data.len);

		if (!copy)
			return -ENOMEM;
		run->request.data = span_of(copy, request->data.len);
	}
	if (!request->allowed_tools.items)
		return 0;
	run->request.allowed_tools.items = calloc(request->allowed_tools.count + 1, sizeof(char *));
	if (!run->request.allowed_tools.items)
		return -ENOMEM;
	for (size_t i = 0; i < request->allowed_tools.count; i++)
		if (!(run->request.allowed_tools.items[i] = strdup(request->allowed_tools.items[i])))
			return -ENOMEM;
	run->request.allowed_tools.count = request->allowed_tools.count;
	return 0;
}

void run_drop_data(struct run *run)
{
	free((char *)(uintptr_t)run->request.data.p);
	run->request.data = SPAN_NONE;
}
