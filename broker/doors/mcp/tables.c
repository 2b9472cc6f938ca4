/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/doors/mcp/tables.h"

#include <errno.h>

int mcp_decode(struct span arguments, const struct json_field *table, size_t count, void *ret, json_t **ret_object,
	       struct error *err)
{
	json_t *object = NULL;
	int r;

	*ret_object = NULL;
	if (arguments.len > MCP_TABLE_MAX)
		return error_set(err, -E2BIG, "too_large: the arguments are over %d bytes", MCP_TABLE_MAX);
	r = arguments.p ? json_parse(arguments.p, arguments.len, &object, err) : 0;

	if (r == 0 && !object)
		object = json_object();
	if (r == 0)
		r = json_table_decode(table, count, object, false, ret, err);
	*ret_object = object;
	return r;
}
