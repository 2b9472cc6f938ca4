/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <stdio.h>
#include <string.h>

unsigned policy_needs(const struct policy *p, const struct policy_call *call)
{
	return 0;
}

/* What cannot be seen, or would end the quotes, is any one character. */
static void make_writable(char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || (unsigned char)*name >= 0x7f || strchr("\"\\", *name))
			*name = '?';
}

/* The rule that would allow the call, as it is written in a list of rules. */
static void describe_rule(const struct policy_call *call, char *text, size_t size)
{
	_cleanup_buf_ struct buf rule = BUF_INIT(size - 1);
	char name[POLICY_NAME_MAX];
	int r;

	if (!policy_name_tool(call, name, sizeof(name))) {
		snprintf(text, size, "a rule that allows it, once the server has a name that no other reads like");
		return;
	}
	r = policy_put_rule("allow", name, call->project, &rule);
	if (r < 0 && call->project) {
		buf_clear(&rule);
		r = policy_put_rule("allow", name, "FILE", &rule);
	}
	snprintf(text, size, "%.*s", r < 0 ? 0 : (int)rule.len, (const char *)buf_head(&rule));
}

/* The verdict, and what to change for another one. */
static void explain(struct policy_decision *d, const struct policy_call *call)
{
	bool by_rule = strncmp(d->rule, "rules[", 6) == 0;
	char rule[600];

	if (strcmp(d->rule, "allowed_tools") == 0) {
		snprintf(rule, sizeof(rule), "%s.%.400s", call->server, call->tool);
		make_writable(rule);
		snprintf(d->fix, sizeof(d->fix), "add %s to allowed_tools of this run", rule);
		return;
	}
	if (d->verdict == POLICY_ALLOW) {
		d->fix[0] = '\0';
		return;
	}
	describe_rule(call, rule, sizeof(rule));
	if (by_rule)
		snprintf(d->fix, sizeof(d->fix), "add to policy.rules, above %s: %s", d->rule, rule);
	else
		snprintf(d->fix, sizeof(d->fix), "add to policy.rules: %s", rule);
}

/* By any name that leads to it. */
static bool is_named(const char *glob, const struct policy_call *call)
{
	const struct policy_server server = {.name = call->server, .id = call->server_id};

	return policy_glob(glob, &server, call->tool);
}

static bool is_narrowed_out(const struct policy_call *call)
{
	if (!call->allowed_tools)
		return false;
	for (const char *const *glob = call->allowed_tools; *glob; glob++)
		if (is_named(*glob, call))
			return false;
	return true;
}

/* A rule that allows holds for the tool's own name alone; others for any name that leads to the tool. */
static bool rule_matches(const struct policy_rule *rule, const struct policy_call *call)
{
	if (!policy_rule_concerns(rule->verdict, rule->from, call->project))
		return false;
	for (size_t k = 0; k < rule->count; k++)
		if (rule->verdict == POLICY_ALLOW ? policy_gives(rule, rule->globs[k], call)
						  : is_named(rule->globs[k], call))
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

/* What is shipped: a server's word that a tool only reads counts where the server is trusted; the rest asks. A default
 * that allows is about the user's own servers, as every rule that allows and does not say `from`. */
static enum policy_verdict preset(const struct policy *p, const struct policy_call *call)
{
	if (p->has_preset)
		return p->preset == POLICY_ALLOW && call->project ? POLICY_ASK : p->preset;
	return call->trusted && call->read_only ? POLICY_ALLOW : POLICY_ASK;
}

static enum policy_verdict judge(const struct policy *p, const struct policy_call *call, bool *ret_narrowed,
				 const struct policy_rule **ret_rule)
{
	*ret_narrowed = is_narrowed_out(call);
	*ret_rule = *ret_narrowed ? NULL : first_match(p, call);
	if (*ret_narrowed)
		return POLICY_DENY;
	return *ret_rule ? (*ret_rule)->verdict : preset(p, call);
}

enum policy_verdict policy_judge(const struct policy *p, const struct policy_call *call,
				 const struct policy_facts *facts)
{
	const struct policy_rule *rule;
	bool narrowed;

	return judge(p, call, &narrowed, &rule);
}

void policy_decide(const struct policy *p, const struct policy_call *call, const struct policy_facts *facts,
		   struct policy_decision *ret)
{
	const struct policy_rule *rule;
	bool narrowed;

	memset(ret, 0, sizeof(*ret));
	ret->verdict = judge(p, call, &narrowed, &rule);
	if (rule)
		snprintf(ret->rule, sizeof(ret->rule), "rules[%zu]", (size_t)(rule - p->rules));
	else
		snprintf(ret->rule, sizeof(ret->rule), "%s", narrowed ? "allowed_tools" : "default");
	explain(ret, call);
}
