/* SPDX-License-Identifier: Apache-2.0 */
/* The effective configuration as JSON. Variables stay as they are written; a secret that stands in the file itself is
 * not shown. */
#include "broker/core/config-decode.h"
#include "broker/core/config-vars.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static json_t *strings_json(const struct json_strings *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(array, json_string(list->items[i]));
	return array;
}

/* secret: all of them are. */
static json_t *pairs_json(const struct config_pair *pairs, size_t count, bool secret)
{
	json_t *object = json_object();

	for (size_t i = 0; i < count; i++) {
		bool hide = (secret || config_vars_is_secret(pairs[i].name)) && !strstr(pairs[i].value, "${");

		json_object_set_new(object, pairs[i].name, json_string(hide ? "(not shown)" : pairs[i].value));
	}
	return object;
}

static json_t *roots_json(const struct config_server *s)
{
	switch (s->roots) {
	case CONFIG_ROOTS_NONE:
		break;
	case CONFIG_ROOTS_CLIENT:
		return json_string("client");
	case CONFIG_ROOTS_LIST:
		return strings_json(&s->root_folders);
	}
	return NULL;
}

static json_t *server_json(const struct config *c, const struct config_server *s)
{
	static const char *const types[] = {[CONFIG_STDIO] = "stdio", [CONFIG_HTTP] = "http", [CONFIG_SSE] = "sse"};
	json_t *way;
	char from[4200];

	snprintf(from, sizeof(from), "%s:%d", s->file, s->line);
	if (s->url)
		way = json_pack("{s:s, s:s, s:s, s:o, s:s*}", "id", s->id, "type", types[s->transport], "url", s->url,
				"headers", pairs_json(s->headers, s->header_count, true), "caFile", s->ca_file);
	else
		way = json_pack("{s:s, s:s, s:o, s:o, s:s*}", "id", s->id, "command", s->command, "args",
				strings_json(&s->args), "env", pairs_json(s->env, s->env_count, false), "cwd", s->cwd);
	if (way)
		json_object_update_new(way,
				       json_pack("{s:o*, s:I, s:I, s:b, s:b, s:s}", "roots", roots_json(s), "timeout",
						 (json_int_t)(s->timeout_ms ? s->timeout_ms : c->limits.call_ms),
						 "startTimeout", (json_int_t)s->start_timeout_ms, "disabled",
						 s->disabled, "trusted", s->trusted, "from", from));
	return way;
}

static json_t *servers_json(const struct config *c)
{
	json_t *object = json_object();

	for (size_t i = 0; i < c->server_count; i++)
		json_object_set_new(object, c->servers[i].name, server_json(c, &c->servers[i]));
	return object;
}

static json_t *limits_json(const struct config_whole *w)
{
	json_t *object = json_object();

	for (size_t i = 0; i < config_limits_count; i++) {
		const struct json_field *f = &config_limits_table[i];
		int64_t value = *(const int64_t *)(const void *)((const char *)&w->c.limits + f->offset);
		char from[4200] = "preset";

		if (w->limit_lines[i])
			snprintf(from, sizeof(from), "%s:%d", w->c.path, w->limit_lines[i]);
		json_object_set_new(
			object, f->name,
			json_pack("{s:I, s:s, s:s}", "value", (json_int_t)value, "from", from, "text", f->text));
	}
	return object;
}

static json_t *providers_json(const struct config *c)
{
	json_t *array = json_array();

	for (size_t i = 0; i < c->provider_count; i++)
		json_array_append_new(array, json_pack("{s:s, s:O*}", "name", c->providers[i].name, "settings",
						       c->providers[i].settings));
	return array;
}

static json_t *runtimes_json(const struct config *c)
{
	return json_pack("{s:s*, s:s*, s:s*}", "javascript", c->runtimes[0], "python", c->runtimes[1], "bash",
			 c->runtimes[2]);
}

static json_t *environments_json(const struct config *c)
{
	json_t *object = json_object();

	for (size_t i = 0; i < c->environment_count; i++)
		json_object_set_new(object, c->environments[i].name,
				    json_pack("{s:s*, s:s*}", "python", c->environments[i].python, "javascript",
					      c->environments[i].javascript));
	return object;
}

int config_show(const struct config *c, struct buf *out)
{
	const struct config_whole *w = (const struct config_whole *)(const void *)c;
	json_auto_t *all = json_pack("{s:s?, s:o, s:o, s:O*, s:o, s:o, s:s*, s:s, s:o, s:o, s:o, s:o}", "path", c->path,
				     "files", strings_json(&c->files), "mcpServers", servers_json(c), "policy",
				     c->policy, "limits", limits_json(w), "providers", providers_json(c), "isolation",
				     c->isolation, "durability", config_durability_names[c->durability], "runtimes",
				     runtimes_json(c), "environments", environments_json(c), "variables",
				     strings_json(&c->variables), "notes", strings_json(&c->notes));

	return all ? json_print(out, all) : -ENOMEM;
}
