/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CONFIG_RESOLVE_H
#define HAWSER_BROKER_CORE_CONFIG_RESOLVE_H

#include "broker/core/config.h"

/* What the files that resolve a server share; nobody else includes it. */
struct config_resolver {
	const struct config_caller *caller;
	struct config_resolved *ret;
};
/* prefix comes before the replaced text, as it is. home: "~/" at the beginning is the client's home folder. */
int config_replace(struct config_resolver *r, const char *prefix, const char *text, bool home, char **ret,
		   struct error *err) _must_check_;
/* config-roots.c: what the server is told, and whether it hears that it may ask. */
int config_resolve_roots(struct config_resolver *r, const struct config_server *s, struct error *err) _must_check_;

#endif
