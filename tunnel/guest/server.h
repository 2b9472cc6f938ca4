/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_TUNNEL_GUEST_SERVER_H
#define HAWSER_TUNNEL_GUEST_SERVER_H

#include "tunnel/guest/guest.h"

/*
 * Listeners and the links that come through them. At most SERVER_STRANGERS connections have not shown the secret at any
 * time, each for 5 s; the next one is accepted and closed. The proven link is never among those that are closed for it.
 */
struct server;

enum { SERVER_STRANGERS = 8, SERVER_STRANGER_MS = 5000 };

int server_new(struct guest *g, struct server **ret, struct error *err) _must_check_;
struct server *server_free(struct server *s);
void server_kick(struct server *s);

#endif
