/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HAWSER_BROKER_CLIENTFILES_TOML_H
#define HAWSER_BROKER_CLIENTFILES_TOML_H

#include "base/json.h"
#include "base/span.h"

#include <sys/types.h>

/*
 * Of Codex's config.toml the tables of one name, [mcp_servers.*], and nothing else: read into JSON, with the places of
 * their lines, so that they can be taken out. All other statements are only stepped over. Pure.
 */
enum { TOML_SERVERS_MAX = 256, TOML_RANGES_MAX = 4096, TOML_DEPTH_MAX = 16, TOML_PARTS_MAX = 8 };

struct toml_server {
	char *name;
	int line;
	json_t *value; /* object */
	char *fault; /* a value of it that cannot be read; NULL: none */
};
struct toml_range {
	size_t from, to; /* whole lines */
	size_t server;
};
struct toml {
	struct toml_server *servers;
	size_t count;
	struct toml_range *ranges; /* in order */
	size_t range_count;
};
/* table: "mcp_servers". Error: "line N: ...". */
int toml_read(struct span text, const char *table, struct toml *ret, struct error *err) _must_check_;
void toml_done(struct toml *t);

/* toml-value.c: one value or dotted key at *p; moves it on. */
json_t *toml_value(const char **p, const char *end, int depth);
int toml_key(const char **p, const char *end, char *ret[TOML_PARTS_MAX], size_t *ret_count) _must_check_;
/* Behind blanks; lines: behind line breaks and comments too. */
const char *toml_skip(const char *p, const char *end, bool lines);

#endif
