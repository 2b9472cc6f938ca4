/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_MCP_TABLES_H
#define HAWSER_BROKER_DOORS_MCP_TABLES_H

#include "base/json.h"

struct mcp_wait_request {
	char *run_id;
	bool cancel;
	int64_t offset;
};
extern const struct json_field mcp_wait_table[];
extern const size_t mcp_wait_count;

#endif
