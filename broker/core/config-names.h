/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CORE_CONFIG_NAMES_H
#define HAWSER_BROKER_CORE_CONFIG_NAMES_H

#include <stdbool.h>

/* Is this a keyword or a built-in name of JavaScript or Python, or one that the shims bring? */
bool config_name_is_taken(const char *id);
/* The identifier that code uses for a server: [^A-Za-z0-9_] becomes _ (one a character), a leading digit gets _ in
 * front, a taken name gets _ behind. On the heap. */
char *config_name_identifier(const char *name);

#endif
