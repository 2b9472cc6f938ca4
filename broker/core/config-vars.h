/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CONFIG_VARS_H
#define HAWSER_BROKER_CORE_CONFIG_VARS_H

#include "base/buf.h"

#include <stdbool.h>

/* ${VAR}, ${VAR:-preset}, ${env:VAR} in a text, and what editors write: ${input:id} (HAWSER_INPUT_ID), ${userHome}
 * (HOME),
 * ${workspaceFolder} (PWD). A $ without { is itself; no nesting. Pure. */
enum { CONFIG_VARIABLE_MAX = 128 /* bytes of a name */, CONFIG_VALUE_MAX = 256 * 1024 /* bytes of a text, replaced */ };

/* Calls see(name, preset or NULL) for each. -EINVAL with the reason in err for what is none of these forms. */
int config_vars_scan(const char *text, int (*see)(void *user, const char *name, const char *preset), void *user,
		     struct error *err) _must_check_;
/* Appends the text with its variables replaced. used (may be NULL) hears of each value that came from lookup. An unset
 * (or, with a preset, empty) variable takes the preset; without one -ENOENT. */
int config_vars_replace(const char *text, const char *(*lookup)(void *user, const char *name), void *user,
			int (*used)(void *user, const char *name, const char *value), struct buf *out,
			struct error *err) _must_check_;
/* Variables that say where and who one is rather than prove it: their values are no secrets. */
bool config_vars_is_public(const char *name);
/* Does the name of an environment entry say that its value is a secret (GITHUB_TOKEN)? */
bool config_vars_is_secret(const char *name);

#endif
