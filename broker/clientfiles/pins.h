/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLIENTFILES_PINS_H
#define HAWSER_BROKER_CLIENTFILES_PINS_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * A project's file may come from anybody, so it is used only after one yes. The yes is a copy of the very bytes that it
 * was said to, STATE/pins/HASH-OF-PATH: a file that differs from its copy is asked about again, and the copy shows what
 * changed.
 */
/* The pin's path, on the heap. file: FOLDER/.mcp.json or another place of the table, without symbolic links in FOLDER
 * but with those behind it: the folder is where its servers start, so a link to a file that has its yes has none. */
char *pins_path(const char *state_dir, const char *file);
/* Does the pin hold exactly this text? *ret_there: there is one for the file. */
bool pins_match(const char *pin, const struct buf *text, bool *ret_there);

#endif
