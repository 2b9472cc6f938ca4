/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/clientfiles/clientfiles.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { LARGE = 256 * 1024 }; /* bytes, which take about a millisecond */

const struct clientfile_place clientfile_places[] = {
	{.client = "claude-code",
	 .title = "Claude Code",
	 .scope = CLIENTFILE_LOCAL,
	 .base = CLIENTFILE_HOME,
	 .path = ".claude.json",
	 .key = "mcpServers",
	 .roots = true},
	{.client = "claude-code",
	 .title = "Claude Code",
	 .scope = CLIENTFILE_PROJECT,
	 .base = CLIENTFILE_CWD,
	 .path = ".mcp.json",
	 .key = "mcpServers",
	 .roots = true},
	{.client = "claude-code",
	 .title = "Claude Code",
	 .scope = CLIENTFILE_USER,
	 .base = CLIENTFILE_HOME,
	 .path = ".claude.json",
	 .key = "mcpServers",
	 .roots = true},
	{.client = "cursor",
	 .title = "Cursor",
	 .scope = CLIENTFILE_PROJECT,
	 .base = CLIENTFILE_CWD,
	 .path = ".cursor/mcp.json",
	 .key = "mcpServers",
	 .roots = true},
	{.client = "cursor",
	 .title = "Cursor",
	 .scope = CLIENTFILE_USER,
	 .base = CLIENTFILE_HOME,
	 .path = ".cursor/mcp.json",
	 .key = "mcpServers",
	 .roots = true},
	{.client = "vscode",
	 .title = "VS Code",
	 .scope = CLIENTFILE_PROJECT,
	 .base = CLIENTFILE_CWD,
	 .path = ".vscode/mcp.json",
	 .key = "servers",
	 .inputs = true,
	 .roots = true},
	{.client = "vscode",
	 .title = "VS Code",
	 .scope = CLIENTFILE_USER,
	 .base = CLIENTFILE_CONFIG,
	 .path = "Code/User/mcp.json",
	 .key = "servers",
	 .inputs = true,
	 .roots = true},
	{.client = "codex",
	 .title = "Codex",
	 .scope = CLIENTFILE_PROJECT,
	 .base = CLIENTFILE_CWD,
	 .path = ".codex/config.toml",
	 .key = "mcp_servers",
	 .toml = true,
	 .literal = true},
	{.client = "codex",
	 .title = "Codex",
	 .scope = CLIENTFILE_USER,
	 .base = CLIENTFILE_HOME,
	 .path = ".codex/config.toml",
	 .key = "mcp_servers",
	 .toml = true,
	 .literal = true},
	{.client = "claude-desktop",
	 .title = "Claude Desktop",
	 .scope = CLIENTFILE_USER,
	 .base = CLIENTFILE_CONFIG,
	 .path = "Claude/claude_desktop_config.json",
	 .key = "mcpServers",
	 .literal = true},
	{.client = NULL},
};

bool clientfile_is_name(const char *name)
{
	for (const struct clientfile_place *p = clientfile_places; p->client; p++)
		if (strcmp(p->client, name) == 0)
			return true;
	return strcmp(name, "project") == 0;
}

char *clientfile_path(const struct clientfile_place *place, const struct clientfile_where *where)
{
	const char *const bases[] = {
		[CLIENTFILE_HOME] = where->home,
		[CLIENTFILE_CONFIG] = where->config_home,
		[CLIENTFILE_CWD] = where->cwd,
	};
	char *path;

	return asprintf(&path, "%s/%s", bases[place->base], place->path) < 0 ? NULL : path;
}

bool clientfiles_are_large(const struct clientfile_where *where)
{
	off_t size = 0;

	for (const struct clientfile_place *p = clientfile_places; p->client; p++) {
		_cleanup_free_ char *path = clientfile_path(p, where);
		struct stat st;

		if (path && stat(path, &st) == 0)
			size += st.st_size;
	}
	return size > LARGE;
}

static bool same_file(const char *path, const struct stat *self)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == self->st_dev && st.st_ino == self->st_ino;
}

/* In one's home folder the file of the project and that of the user are one, which nobody else has put there. */
bool clientfile_is_users(const struct clientfile_place *place, const struct clientfile_where *where)
{
	_cleanup_free_ char *own = place->base == CLIENTFILE_CWD ? clientfile_path(place, where) : NULL;
	struct stat self;

	if (!own || stat(own, &self) < 0)
		return false;
	for (const struct clientfile_place *p = clientfile_places; p->client; p++) {
		_cleanup_free_ char *path = p->base == CLIENTFILE_CWD ? NULL : clientfile_path(p, where);

		if (path && same_file(path, &self))
			return true;
	}
	return false;
}

bool clientfile_is_self(const char *command, const char *path)
{
	struct stat self;

	if (stat("/proc/self/exe", &self) < 0)
		return false;
	if (strchr(command, '/'))
		return same_file(command, &self);
	for (const char *p = path; p && *p; p += strcspn(p, ":"), p += *p == ':') {
		_cleanup_free_ char *candidate = NULL;

		if (asprintf(&candidate, "%.*s/%s", (int)strcspn(p, ":"), p, command) < 0)
			candidate = NULL;
		if (candidate && access(candidate, X_OK) == 0)
			return same_file(candidate, &self);
	}
	return false;
}
