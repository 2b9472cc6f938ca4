/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_DOORS_MCP_H
#define HAWSER_BROKER_DOORS_MCP_H

#include "broker/doors/client.h"

/*
 * The MCP server's side of one connection, whatever carries it: lines come in, lines go out. Handshake revisions
 * 2024-11-05 to 2025-11-25.
 */
struct mcp;
struct mcp_options {
	struct loop *loop;
	struct door_client *client; /* borrowed: outlives it */
	/* Takes one or more whole lines. Negative errno: they do not fit, the connection is lost. */
	int (*send)(void *user, const void *data, size_t len);
	void *user;
};
int mcp_new(const struct mcp_options *options, struct mcp **ret, struct error *err) _must_check_;
/* Its runs are cancelled: nobody is there to hear of them. Nothing is sent any more. */
struct mcp *mcp_free(struct mcp *m);
/* One line without its LF. May call send(). */
void mcp_line(struct mcp *m, struct span line);
/* The broker has begun to stop: calls that still wait for something are given back to the relay, which says them again
 * to the next broker. May call send(). */
void mcp_give_back(struct mcp *m);

#endif
