/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_UPSTREAM_ENVIRONMENT_H
#define HAWSER_BROKER_UPSTREAM_ENVIRONMENT_H

#include "base/error.h"

/* The environment of a server: of the client's variables those of the allow-list (upstream_inherited_names), then those
 * of the config, which win. All lists are NULL-terminated "K=V"; inherited and config may be NULL. Caller frees with
 * strings_free(). */
int environment_build(const char *const *inherited, const char *const *config, char ***ret,
		      struct error *err) _must_check_;

#endif
