/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <stdio.h>
#include <string.h>

unsigned policy_needs(const struct policy *p, const struct policy_call *call)
{
	return 0;
}

/* The tool as it is written in a rule: quoted where YAML would read something else, cut where it is absurdly long. */
static void rule_name(const struct policy_call *call, char *text, size_t size)
{
	char name[128];
	size_t n = (size_t)snprintf(name, sizeof(name), "%s.%s", call->server, call->tool);
	const char *plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";

	for (char *c = name; *c; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f || *c == '"' || *c == '\\')
			*c = '?';
	if (n >= sizeof(name))
		snprintf(name + sizeof(name) - 2, 2, "*");
	snprintf(text, size, strspn(name, plain) == strlen(name) ? "%s" : "\"%s\"", name);
}

/* A format for the name, and the verdict that it belongs to. */
static void explain(struct policy_decision *d, const struct policy_call *call)
{
	bool by_rule = strncmp(d->rule, "rules[", 6) == 0;
	char name[136];

	rule_name(call, name, sizeof(name));
	if (strcmp(d->rule, "allowed_tools") == 0)
		snprintf(d->fix, sizeof(d->fix), "add %s to allowed_tools of this run", name);
	else if (d->verdict == POLICY_ALLOW)
		d->fix[0] = '\0';
	else if (by_rule)
		snprintf(d->fix, sizeof(d->fix), "add to policy.rules, above %s: - allow: %s", d->rule, name);
	else
		snprintf(d->fix, sizeof(d->fix), "add to policy.rules: - allow: %s", name);
}

static bool is_narrowed_out(const struct policy_call *call)
{
	if (!call->allowed_tools)
		return false;
	for (const char *const *glob = call->allowed_tools; *glob; glob++)
		if (policy_glob(*glob, call->server, call->tool))
			return false;
	return true;
}

/* A rule that allows holds for the tool's own name alone; others for any name that leads to the tool. */
static bool rule_matches(const struct policy_rule *rule, const struct policy_call *call)
{
	bool (*glob)(const char *pattern, const char *server, const char *tool) =
		rule->verdict == POLICY_ALLOW ? policy_glob_own_name : policy_glob;

	for (size_t k = 0; k < rule->count; k++)
		if (glob(rule->globs[k], call->server, call->tool))
			return true;
	return false;
}

static const struct policy_rule *first_match(const struct policy *p, const struct policy_call *call)
{
	for (size_t i = 0; i < p->count; i++)
		if (rule_matches(&p->rules[i], call))
			return &p->rules[i];
	return NULL;
}

/* What is shipped: a server's word that a tool only reads counts where the server is trusted; the rest asks. */
static enum policy_verdict preset(const struct policy *p, const struct policy_call *call)
{
	if (p->has_preset)
		return p->preset;
	return call->trusted && call->read_only ? POLICY_ALLOW : POLICY_ASK;
}

void policy_decide(const struct policy *p, const struct policy_call *call, const struct policy_facts *facts,
		   struct policy_decision *ret)
{
	const struct policy_rule *rule;

	memset(ret, 0, sizeof(*ret));
	if (is_narrowed_out(call)) {
		ret->verdict = POLICY_DENY;
		snprintf(ret->rule, sizeof(ret->rule), "allowed_tools");
	} else if ((rule = first_match(p, call))) {
		ret->verdict = rule->verdict;
		snprintf(ret->rule, sizeof(ret->rule), "rules[%zu]", (size_t)(rule - p->rules));
	} else {
		ret->verdict = preset(p, call);
		snprintf(ret->rule, sizeof(ret->rule), "default");
	}
	explain(ret, call);
}
