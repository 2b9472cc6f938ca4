/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * The "policy" object of the configuration -> struct policy. Every fault is told, and any fault refuses the whole: a
 * policy that is applied in part is not the one that was written.
 */

static const char *const verdict_names[] = {"allow", "deny", "ask"};

const char *policy_verdict_name(enum policy_verdict verdict)
{
	return verdict_names[verdict];
}

static int verdict_of(const char *name)
{
	for (int i = 0; i < (int)ARRAY_SIZE(verdict_names); i++)
		if (strcmp(verdict_names[i], name) == 0)
			return i;
	return -1;
}

struct parse {
	policy_fault_fn *fault;
	void *user;
	size_t faults;
	struct policy *policy;
};

static void _printf_(3, 4) tell(struct parse *p, const char *pointer, const char *fmt, ...)
{
	char message[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	p->faults++;
	if (p->fault)
		p->fault(p->user, pointer, message);
}

/* Keys that the design names and a later version understands: the message says so. */
static bool is_of_later(const char *key)
{
	static const char *const later[] = {"when",   "limit",       "limits", "flows",
					    "labels", "obligations", "redact", NULL};

	for (size_t i = 0; later[i]; i++)
		if (strcmp(later[i], key) == 0)
			return true;
	return false;
}

static void tell_unknown(struct parse *p, const char *where, const char *key, const char *known)
{
	char pointer[160];

	snprintf(pointer, sizeof(pointer), "%s/%.64s", where, key);
	if (is_of_later(key))
		tell(p, pointer,
		     "this version does not know \"%s\" yet and would not apply it; remove it, or deny the tool", key);
	else
		tell(p, pointer, "\"%.64s\" is unknown; known here: %s", key, known);
}

static void parse_default(struct parse *p, const json_t *value)
{
	int verdict = json_is_string(value) ? verdict_of(json_string_value(value)) : -1;

	if (verdict < 0) {
		tell(p, "/default", "must be allow, deny or ask; leave it out for the shipped default");
		return;
	}
	p->policy->has_preset = true;
	p->policy->preset = (enum policy_verdict)verdict;
}

/* NULL, or what is wrong with a glob. */
static const char *glob_fault(const json_t *value)
{
	const char *glob = json_string_value(value);

	if (!glob || !*glob)
		return "must be a tool as server.tool, or a glob over it such as github.* (in quotes if it begins with "
		       "*)";
	if (json_string_length(value) > POLICY_GLOB_LEN_MAX || strlen(glob) != json_string_length(value))
		return "is longer than 512 bytes or has a NUL inside";
	if (!strchr(glob, '.') && !strchr(glob, '*') && strncmp(glob, "mcp__", 5) != 0)
		return "names no tool; write server.tool, or server.* for all tools of a server";
	return NULL;
}

static void parse_from(struct parse *p, struct policy_rule *rule, const char *pointer, const json_t *value)
{
	const char *from = json_string_value(value);

	if (!from || (from[0] != '/' && from[0] != '*') || json_string_length(value) > POLICY_FROM_LEN_MAX ||
	    strlen(from) != json_string_length(value))
		tell(p, pointer,
		     "must be the whole path of a project's file such as /home/me/work/.mcp.json, or a glob over it");
	else if (!(rule->from = strdup(from)))
		tell(p, pointer, "no memory");
}

static void add_glob(struct parse *p, struct policy_rule *rule, const char *pointer, const json_t *value)
{
	const char *fault = glob_fault(value);

	if (fault)
		tell(p, pointer, "%s", fault);
	else if ((rule->globs[rule->count] = strdup(json_string_value(value))))
		rule->count++;
	else
		tell(p, pointer, "no memory");
}

static void parse_globs(struct parse *p, struct policy_rule *rule, const char *pointer, const json_t *value)
{
	size_t n = json_is_array(value) ? json_array_size(value) : 1;
	char item[128];

	if (n == 0 || n > POLICY_GLOBS_MAX) {
		tell(p, pointer, "must list 1 to %d globs", POLICY_GLOBS_MAX);
		return;
	}
	rule->globs = calloc(n, sizeof(*rule->globs));
	if (!rule->globs) {
		tell(p, pointer, "no memory");
		return;
	}
	if (!json_is_array(value)) {
		add_glob(p, rule, pointer, value);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		snprintf(item, sizeof(item), "%s/%zu", pointer, i);
		add_glob(p, rule, item, json_array_get(value, i));
	}
}

static void parse_rule(struct parse *p, size_t index, json_t *value)
{
	struct policy_rule *rule = &p->policy->rules[index];
	char where[48], pointer[64];
	unsigned verdicts = 0;
	const char *key;
	json_t *item;

	snprintf(where, sizeof(where), "/rules/%zu", index);
	if (!json_is_object(value)) {
		tell(p, where, "must be like \"- allow: github.*\" (or deny, or ask)");
		return;
	}
	json_object_foreach (value, key, item) {
		int verdict = verdict_of(key);

		snprintf(pointer, sizeof(pointer), "%s/%.8s", where, key);
		if (strcmp(key, "from") == 0) {
			parse_from(p, rule, pointer, item);
		} else if (verdict < 0) {
			tell_unknown(p, where, key, "allow, deny, ask, from");
		} else if (verdicts++ == 0) {
			rule->verdict = (enum policy_verdict)verdict;
			parse_globs(p, rule, pointer, item);
		}
	}
	if (verdicts != 1)
		tell(p, where, "has %s of allow, deny and ask; a rule has exactly one", verdicts ? "several" : "none");
}

static void parse_rules(struct parse *p, const json_t *value)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value) || n > POLICY_RULES_MAX) {
		tell(p, "/rules", "must be a list of at most %d rules", POLICY_RULES_MAX);
		return;
	}
	p->policy->rules = calloc(n ? n : 1, sizeof(*p->policy->rules));
	if (!p->policy->rules) {
		tell(p, "/rules", "no memory");
		return;
	}
	p->policy->count = n;
	for (size_t i = 0; i < n; i++)
		parse_rule(p, i, json_array_get(value, i));
}

static void parse_object(struct parse *p, json_t *config)
{
	const char *key;
	json_t *value;

	if (!json_is_object(config)) {
		tell(p, "", "must be an object with \"default\" and \"rules\"");
		return;
	}
	json_object_foreach (config, key, value) {
		if (strcmp(key, "default") == 0)
			parse_default(p, value);
		else if (strcmp(key, "rules") == 0)
			parse_rules(p, value);
		else
			tell_unknown(p, "", key, "default, rules");
	}
}

int policy_new(const json_t *config, policy_fault_fn *fault, void *user, struct policy **ret)
{
	struct parse p = {.fault = fault, .user = user, .policy = calloc(1, sizeof(*p.policy))};

	if (!p.policy)
		return -ENOMEM;
	/* jansson's iteration wants a mutable object; nothing is changed. */
	if (config)
		parse_object(&p, (json_t *)(uintptr_t)config);
	if (p.faults) {
		policy_free(p.policy);
		return -EINVAL;
	}
	*ret = p.policy;
	return 0;
}

struct policy *policy_free(struct policy *p)
{
	if (!p)
		return NULL;
	for (size_t i = 0; i < p->count; i++) {
		for (size_t k = 0; k < p->rules[i].count; k++)
			free(p->rules[i].globs[k]);
		free(p->rules[i].globs);
		free(p->rules[i].from);
	}
	free(p->rules);
	free(p);
	return NULL;
}
