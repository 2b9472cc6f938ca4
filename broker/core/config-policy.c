/* SPDX-License-Identifier: Apache-2.0 */
/* The servers of a configuration as policy knows them, and what its rules cannot mean with these servers. */
#include "broker/core/config-decode.h"

struct policy_server config_policy_server(const struct config_server *server)
{
	return (struct policy_server){
		.name = server->name, .id = server->id, .project = server->of_project ? server->file : NULL};
}

void config_note_unclear(struct config_reader *reader)
{
	const struct config *c = &reader->whole->c;
	struct policy_server *names = calloc(c->server_count + 1, sizeof(*names));
	struct policy *policy = NULL;
	const char *glob;
	size_t at = 0;

	for (size_t i = 0; names && i < c->server_count; i++)
		names[i] = config_policy_server(&c->servers[i]);
	if (names && c->policy && policy_new(c->policy, NULL, NULL, &policy) == 0)
		while (policy_next_unclear(policy, names, c->server_count, &at, &glob))
			config_note(reader, 1,
				    "policy.rules: allow: %.200s allows nothing, as it may mean tools of several "
				    "servers; write mcp__SERVER__TOOL",
				    glob);
	policy_free(policy);
	free(names);
}
