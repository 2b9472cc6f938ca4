/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_MCP_TABLES_H
#define HAWSER_BROKER_DOORS_MCP_TABLES_H

#include "base/json.h"
#include "base/span.h"

enum { MCP_TABLE_MAX = 256 * 1024 }; /* bytes of arguments that are decoded on the loop; nobody needs so many */

struct mcp_wait_request {
	char *run_id;
	bool cancel;
	int64_t offset;
};
extern const struct json_field mcp_wait_table[];
extern const size_t mcp_wait_count;

/* Arguments of a tool by its table, as json_table_decode() does it; SPAN_NONE is {}. *ret_object, for the caller to let
 * go of, is what was read, NULL if it is not JSON. */
int mcp_decode(struct span arguments, const struct json_field *table, size_t count, void *ret, json_t **ret_object,
	       struct error *err) _must_check_;

#endif
