/* SPDX-License-Identifier: Apache-2.0 */
/* Servers behind a URL: what their entries may say. */
#include "broker/core/config-url.h"

#include "base/http-url.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const config_proxy_names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
					  "ALL_PROXY",  "no_proxy",    "NO_PROXY",    NULL};

/* How people write it. */
static const struct {
	const char *type;
	enum config_transport transport;
} types[] = {
	{"stdio", CONFIG_STDIO},         {"http", CONFIG_HTTP}, {"streamable-http", CONFIG_HTTP},
	{"streamableHttp", CONFIG_HTTP}, {"sse", CONFIG_SSE},
};

/* By type, else by what is there. False: a fault or a note was told. */
static bool find_transport(struct config_reader *reader, const struct config_node *type, int line, const char *where,
			   struct config_server *s)
{
	if (!type) {
		s->transport = s->url ? CONFIG_HTTP : CONFIG_STDIO;
		return true;
	}
	if (type->kind != CONFIG_STRING) {
		config_complain(reader, type->line, "%s.type: text is wanted here", where);
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i].type, type->text) == 0) {
			s->transport = types[i].transport;
			return true;
		}
	if (strcmp(type->text, "ws") == 0)
		config_note(reader, line, "%s: servers behind a WebSocket are not in this version; it is left out",
			    where);
	else
		config_complain(reader, type->line, "%s.type: %.40s is not one of stdio, http, sse", where, type->text);
	return false;
}

static void check_url(struct config_reader *reader, const struct config_node *node, const char *where,
		      const struct config_server *s)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	const struct config_node *url = config_node_member(node, "url");
	int line = url ? url->line : node->key_line;

	/* One with a variable can only be checked when a client brought its value. */
	if (!strstr(s->url, "${") && http_url_check(s->url, &err) < 0)
		config_complain(reader, line, "%s.url: %s", where, error_text(&err));
	for (size_t i = 0; i < s->header_count; i++)
		if (strpbrk(s->headers[i].value, "\r\n"))
			config_complain(reader, line, "%s.headers.%.60s: a line break cannot stand in a header", where,
					s->headers[i].name);
}

bool config_url_read_transport(struct config_reader *reader, const struct config_node *node,
			       const struct config_node *type, const char *where, struct config_server *s)
{
	static const char *const of_process[] = {"args", "env", "cwd"}, *const of_url[] = {"headers", "caFile"};
	bool has_url = s->url || config_node_member(node, "url"), has_command = config_node_member(node, "command");
	int line = node->key_line;

	if (!find_transport(reader, type, line, where, s))
		return false;
	if (has_url && has_command)
		config_complain(reader, line, "%s: has a command and a url; keep one", where);
	else if (s->transport == CONFIG_STDIO && has_url)
		config_complain(reader, line, "%s: is of type stdio and has a url; write type: http", where);
	else if (s->transport == CONFIG_STDIO && !has_command)
		config_complain(reader, line, "%s: has no command; write command: PROGRAM, or url: https://...", where);
	else if (s->transport != CONFIG_STDIO && !has_url)
		config_complain(reader, line, "%s: is of type %s and has no url; write url: https://...", where,
				type->text);
	else if (s->url)
		check_url(reader, node, where, s);
	for (size_t i = 0; s->url && i < ARRAY_SIZE(of_process); i++)
		if (config_node_member(node, of_process[i]))
			config_note(reader, line, "%s: %s is ignored, as the server is behind a URL", where,
				    of_process[i]);
	for (size_t i = 0; s->command && i < ARRAY_SIZE(of_url); i++)
		if (config_node_member(node, of_url[i]))
			config_note(reader, line, "%s: %s is ignored, as the server is a process", where, of_url[i]);
	if (s->url && !config_node_member(node, "trusted"))
		s->trusted = false;
	return true;
}

bool config_url_header_name_good(const char *name)
{
	static const char *const ours[] = {
		"Accept",         "Accept-Encoding",      "Connection",     "Content-Encoding",
		"Content-Length", "Content-Type",         "Expect",         "Keep-Alive",
		"Last-Event-ID",  "MCP-Protocol-Version", "Mcp-Session-Id", "TE",
		"Trailer",        "Transfer-Encoding",    "Upgrade"};
	char line[256];

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (strcasecmp(ours[i], name) == 0)
			return false;
	return snprintf(line, sizeof(line), "%s:", name) < (int)sizeof(line) && !strchr(name, ':') &&
	       http_header_good(line);
}

const char *config_url_proxy(const char *url, const char *(*lookup)(void *user, const char *name), void *user)
{
	bool tls = strncasecmp(url, "https:", 6) == 0;
	const char *const names[] = {tls ? "https_proxy" : "http_proxy", tls ? "HTTPS_PROXY" : NULL, "all_proxy",
				     "ALL_PROXY"};

	if (http_url_is_local(url))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = names[i] ? lookup(user, names[i]) : NULL;

		if (value && *value)
			return value;
	}
	return NULL;
}
