/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_NAMES_H
#define HAWSER_BROKER_DOORS_NAMES_H

#include "broker/core/config.h"

/* A server by its name as written, or by its identifier. */
const struct config_server *names_find_server(const struct config *c, const char *name, size_t len);
/* "server.tool", "server-id.tool" or "mcp__server__tool": the server's name as written (on the heap) and the tool
 * (borrowed from text). Names may have dots: the longest server that exists wins, else the first dot. NULL: neither
 * spelling. */
char *names_split(const struct config *c, const char *text, const char **ret_tool);

#endif
