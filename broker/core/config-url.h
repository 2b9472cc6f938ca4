/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CONFIG_URL_H
#define HAWSER_BROKER_CORE_CONFIG_URL_H

#include "broker/core/config-decode.h"

/* Variables of a client that say through which proxy a URL is reached; NULL-terminated. */
extern const char *const config_proxy_names[];

/* Says how the server is reached (s->transport) and complains of what does not fit together. node: the whole entry.
 * False: this version cannot reach it, which was noted. */
bool config_url_read_transport(struct config_reader *reader, const struct config_node *node,
			       const struct config_node *type, const char *where, struct config_server *s);
/* May an operator set this header? Not those that are a matter of the protocol. */
bool config_url_header_name_good(const char *name);
/* The proxy for a URL, by what curl and others look at; NULL: none. */
const char *config_url_proxy(const char *url, const char *(*lookup)(void *user, const char *name), void *user);

#endif
