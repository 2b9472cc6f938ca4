/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/clientfiles/hawserfile.h"

#include "broker/clientfiles/edit.h"
#include "broker/clientfiles/jsonc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { ITEM_MAX = 1024 * 1024 };

static void free_items(char **items, size_t count)
{
	for (size_t i = 0; items && i < count; i++)
		free(items[i]);
	free(items);
}

/* "\"name\": value" */
static char *member(const char *name, const json_t *value)
{
	_cleanup_buf_ struct buf out = BUF_INIT(ITEM_MAX);
	char *text = json_dumps(value, JSON_ENCODE_ANY);
	int r = text ? buf_append_json(&out, name, strlen(name)) : -ENOMEM;

	if (r == 0)
		r = buf_printf(&out, ": %s", text);
	free(text);
	return r == 0 ? buf_steal(&out, NULL) : NULL;
}

/* Puts items into the container below parent; one that is not there is made, as open + items + close. */
static int put(const struct json_edit *j, struct span parent, struct span container, const char *key, const char *open,
	       size_t before, char *const *items, size_t count)
{
	_cleanup_buf_ struct buf whole = BUF_INIT(ITEM_MAX);
	_cleanup_free_ char *text = NULL;
	int r;

	if (count == 0)
		return 0;
	if (container.p)
		return json_edit_insert(j, container, before, (const char *const *)items, count);
	r = buf_printf(&whole, "\"%s\": %c", key, open[0]);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = buf_printf(&whole, "%s%s", i ? ", " : "", items[i]);
	if (r == 0)
		r = buf_append_str(&whole, open + 1);
	text = r == 0 ? buf_steal(&whole, NULL) : NULL;
	return text ? json_edit_insert(j, parent, EDIT_LAST, (const char *const *)&text, 1) : -ENOMEM;
}

static int put_servers(const struct json_edit *j, struct span root, const struct hawserfile_addition *a)
{
	struct span servers = span_member(root, "mcpServers");
	char **items = calloc(a->server_count + 1, sizeof(*items));
	int r = items ? 0 : -ENOMEM;

	if (!servers.p)
		servers = span_member(root, "servers");
	for (size_t i = 0; r == 0 && i < a->server_count; i++)
		if (!(items[i] = member(a->servers[i].name, a->servers[i].value)))
			r = -ENOMEM;
	if (r == 0 && servers.p && span_type(servers) != SPAN_OBJECT)
		r = -EINVAL;
	if (r == 0)
		r = put(j, root, servers, "mcpServers", "{}", EDIT_LAST, items, a->server_count);
	free_items(items, a->server_count);
	return r;
}

json_t *hawserfile_rule_json(const struct hawserfile_rule *rule)
{
	return json_pack("{s:s, s:s*}", rule->verdict, rule->glob, "from", rule->from);
}

static char *rule_text(const struct hawserfile_rule *rule)
{
	json_auto_t *value = hawserfile_rule_json(rule);

	return value ? json_dumps(value, 0) : NULL;
}

static bool is_allow(const struct hawserfile_rule *rule)
{
	return strcmp(rule->verdict, "allow") == 0;
}

/* The rules of the addition as JSON objects: those that allow, or the others. */
static int rule_items(const struct hawserfile_addition *a, bool allow, char **items, size_t *ret_count)
{
	size_t n = 0;

	for (size_t i = 0; i < a->rule_count; i++) {
		if (is_allow(&a->rules[i]) != allow)
			continue;
		items[n] = rule_text(&a->rules[i]);
		if (!items[n++])
			return -ENOMEM;
	}
	*ret_count = n;
	return 0;
}

/* The rule that has its place, into a policy that is there. */
static int put_rule(const struct json_edit *j, struct span root, const struct hawserfile_addition *a)
{
	struct span policy = span_member(root, "policy"), rules = span_member(policy, "rules");
	_cleanup_free_ char *text = rule_text(a->rule);

	if (span_type(policy) != SPAN_OBJECT || (rules.p && span_type(rules) != SPAN_ARRAY))
		return -EINVAL;
	return text ? put(j, policy, rules, "rules", "[]", a->above, &text, 1) : -ENOMEM;
}

/* Into a policy that is there. */
static int put_rules(const struct json_edit *j, struct span root, const struct hawserfile_addition *a)
{
	struct span policy = span_member(root, "policy"), rules = span_member(policy, "rules");
	char **items = calloc(a->rule_count + 1, sizeof(*items));
	size_t front = 0, back = 0;
	int r = items ? rule_items(a, false, items, &front) : -ENOMEM;

	if (r == 0)
		r = rule_items(a, true, items + front, &back);
	if (r == 0 && (span_type(policy) != SPAN_OBJECT || (rules.p && span_type(rules) != SPAN_ARRAY)))
		r = -EINVAL;
	if (r == 0 && rules.p && rules.len > 2) {
		r = put(j, policy, rules, "rules", "[]", 0, items, front);
		if (r == 0)
			r = put(j, policy, rules, "rules", "[]", EDIT_LAST, items + front, back);
	} else if (r == 0) {
		r = put(j, policy, rules, "rules", "[]", EDIT_LAST, items, front + back);
	}
	free_items(items, a->rule_count);
	return r;
}

/* policy with all rules, for a file that has none. */
static int put_policy(const struct json_edit *j, struct span root, const struct hawserfile_addition *a)
{
	json_auto_t *policy = json_pack("{s:[]}", "rules");
	_cleanup_free_ char *text = NULL;

	for (int allow = 0; allow < 2; allow++)
		for (size_t i = 0; i < a->rule_count; i++)
			if (is_allow(&a->rules[i]) == (allow == 1))
				json_array_append_new(json_object_get(policy, "rules"),
						      hawserfile_rule_json(&a->rules[i]));
	if (a->rule)
		json_array_append_new(json_object_get(policy, "rules"), hawserfile_rule_json(a->rule));
	text = member("policy", policy);
	return text ? json_edit_insert(j, root, EDIT_LAST, (const char *const *)&text, 1) : -ENOMEM;
}

/* plain is the storage of j->plain. */
static int read_json(struct json_edit *j, struct buf *plain, struct span *ret_root, struct error *err)
{
	int r = jsonc_plain(j->text, plain, ret_root, err);

	j->plain = span_of(buf_head(plain), plain->len);
	return r < 0 || span_type(*ret_root) == SPAN_OBJECT ? r : error_set(err, -EINVAL, "it is no object");
}

static int add_json(struct span text, const struct hawserfile_addition *a, struct edit *edit, struct error *err)
{
	_cleanup_buf_ struct buf plain = BUF_INIT(text.len + 1);
	struct json_edit j = {.text = text, .edit = edit};
	struct span root;
	int r = read_json(&j, &plain, &root, err);

	if (r < 0)
		return r;
	r = put_servers(&j, root, a);
	if (r == 0 && (a->rule_count > 0 || a->rule) && !span_member(root, "policy").p)
		r = put_policy(&j, root, a);
	else if (r == 0 && a->rule_count > 0)
		r = put_rules(&j, root, a);
	if (r == 0 && a->rule && span_member(root, "policy").p)
		r = put_rule(&j, root, a);
	return r < 0 ? error_set(err, r, "mcpServers or policy is not what it should be") : 0;
}

static int remove_rule_json(struct span text, size_t number, struct edit *edit, struct error *err)
{
	_cleanup_buf_ struct buf plain = BUF_INIT(text.len + 1);
	struct json_edit j = {.text = text, .edit = edit};
	struct span root, rules;
	int r = read_json(&j, &plain, &root, err);

	if (r < 0)
		return r;
	rules = span_member(span_member(root, "policy"), "rules");
	r = span_type(rules) == SPAN_ARRAY ? json_edit_remove_element(&j, rules, number) : -ENOENT;
	return r < 0 ? error_set(err, r, "the rule cannot be taken out") : 0;
}

static const char *skip_blanks(struct span text)
{
	const char *p = text.p;

	while (p < text.p + text.len && strchr(" \t\r\n", *p) && *p)
		p++;
	return p;
}

/* YAML may be JSON, too. */
static bool has_braces(struct span text)
{
	const char *begin = skip_blanks(text);

	return begin < text.p + text.len && *begin == '{';
}

static int apply(struct edit *edit, struct span text, struct buf *out, struct error *err)
{
	int r = edit_apply(edit, text, out);

	return r < 0 ? error_set(err, r, "the new text is too large") : 0;
}

/* Servers and rules one after the other: in an empty object each would be the first member. */
static int add_to_json(struct span text, const struct hawserfile_addition *a, struct buf *out, struct error *err)
{
	struct hawserfile_addition servers = {.servers = a->servers, .server_count = a->server_count};
	struct hawserfile_addition rules = {
		.rules = a->rules, .rule_count = a->rule_count, .rule = a->rule, .above = a->above};
	_cleanup_buf_ struct buf between = BUF_INIT(out->max);
	_cleanup_edit_ struct edit first = {0}, second = {0};
	int r = add_json(text, &servers, &first, err);

	if (r == 0)
		r = apply(&first, text, &between, err);
	if (r < 0)
		return r;
	text = span_of(buf_head(&between), between.len);
	r = add_json(text, &rules, &second, err);
	return r < 0 ? r : apply(&second, text, out, err);
}

/* Braces of YAML that are not JSON are nothing that is added to. */
static int add_to_braces(struct span text, const struct hawserfile_addition *a, struct buf *out, struct error *err)
{
	_cleanup_error_ struct error why = ERROR_INIT;
	int r = add_to_json(text, a, out, &why);

	return r < 0 ? error_set(err, r,
				 "it is not written as indented lines; write it so, and try again (as JSON: %s)",
				 error_text(&why))
		     : 0;
}

int hawserfile_add(struct span text, bool yaml, const struct hawserfile_addition *a, struct buf *out, struct error *err)
{
	_cleanup_edit_ struct edit edit = {0};
	int r;

	if (!yaml && skip_blanks(text) == text.p + text.len)
		text = SPAN_LIT("{}\n");
	if (has_braces(text) || !yaml)
		return yaml ? add_to_braces(text, a, out, err) : add_to_json(text, a, out, err);
	r = hawserfile_add_yaml(text, a, &edit, err);
	return r < 0 ? r : apply(&edit, text, out, err);
}

int hawserfile_remove_rule(struct span text, bool yaml, size_t number, struct buf *out, struct error *err)
{
	_cleanup_edit_ struct edit edit = {0};
	int r = yaml && !has_braces(text) ? hawserfile_remove_rule_yaml(text, number, &edit, err)
					  : remove_rule_json(text, number, &edit, err);

	return r < 0 ? r : apply(&edit, text, out, err);
}
