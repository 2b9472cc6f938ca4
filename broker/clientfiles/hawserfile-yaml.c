/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Of YAML only lines and their indentation are looked at: a key of the outermost level begins its line, and what is
 * below it is indented more. That is how people write it; what is written otherwise is refused.
 */
#include "broker/clientfiles/edit.h"
#include "broker/clientfiles/hawserfile.h"
#include "policy/policy.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum { ADDED_MAX = 1024 * 1024 };

struct block {
	size_t rest; /* behind the colon of its key */
	size_t body; /* behind the key's line */
	size_t end; /* behind its last line that says something */
	size_t indent; /* of the key */
	size_t inner; /* of what is below it */
};

static size_t line_end(struct span text, size_t at)
{
	const char *end = at < text.len ? memchr(text.p + at, '\n', text.len - at) : NULL;

	return end ? (size_t)(end + 1 - text.p) : text.len;
}

static size_t indent_of(struct span text, size_t line)
{
	size_t i = line;

	while (i < text.len && text.p[i] == ' ')
		i++;
	return i - line;
}

/* Blank, or nothing but a comment. */
static bool says_nothing(struct span text, size_t line)
{
	size_t i = line + indent_of(text, line);

	return i >= text.len || text.p[i] == '#' || text.p[i] == '\n' || text.p[i] == '\r';
}

/* Behind "key:" if the line has that key; 0: it has not. */
static size_t behind_key(struct span text, size_t line, size_t indent, const char *key)
{
	size_t i = line + indent, n = strlen(key);
	char quote = i < text.len && (text.p[i] == '"' || text.p[i] == '\'') ? text.p[i] : '\0';

	i += quote != '\0';
	if (text.len < i + n + 1 || memcmp(text.p + i, key, n) != 0)
		return 0;
	i += n;
	if (quote && text.p[i] == quote)
		i++;
	while (i < text.len && text.p[i] == ' ')
		i++;
	return i < text.len && text.p[i] == ':' ? i + 1 : 0;
}

static void measure(struct span text, size_t to, struct block *b)
{
	size_t next;

	b->end = b->body;
	b->inner = b->indent + 2;
	for (size_t line = b->body; line < to; line = next) {
		size_t indent = indent_of(text, line);
		bool item = line + indent < text.len && text.p[line + indent] == '-' && indent == b->indent;

		next = line_end(text, line);
		if (says_nothing(text, line))
			continue;
		if (indent <= b->indent && !item)
			break;
		if (b->end == b->body)
			b->inner = indent;
		b->end = next;
	}
}

static bool find_block(struct span text, size_t from, size_t to, size_t indent, const char *key, struct block *ret)
{
	for (size_t line = from; line < to; line = line_end(text, line)) {
		size_t rest = indent_of(text, line) == indent ? behind_key(text, line, indent, key) : 0;

		if (!rest)
			continue;
		*ret = (struct block){.rest = rest, .body = line_end(text, line), .indent = indent};
		measure(text, to, ret);
		return true;
	}
	return false;
}

/* What stands from i on up to the end of the line: nothing (0), an empty collection or null (its length), or something
 * else (-EINVAL). */
static int length_of_nothing(struct span text, size_t i, size_t body, size_t *ret_at)
{
	static const char *const nothing[] = {"{}", "[]", "null", "~"};

	while (i < body && text.p[i] == ' ')
		i++;
	*ret_at = i;
	if (i == body || strchr("#\r\n", text.p[i]))
		return 0;
	for (size_t k = 0; k < ARRAY_SIZE(nothing); k++) {
		size_t n = strlen(nothing[k]), after = i + n;

		if (body - i < n || memcmp(text.p + i, nothing[k], n) != 0)
			continue;
		while (after < body && text.p[after] == ' ')
			after++;
		if (after == body || strchr("#\r\n", text.p[after]))
			return (int)n;
	}
	return -EINVAL;
}

/* ---- what is added ---- */

/* JSON is YAML but for characters that YAML does not take, or takes for line breaks: they are escaped. */
static int append_value(struct buf *out, const json_t *value)
{
	_cleanup_free_ char *json = json_dumps(value, JSON_ENCODE_ANY);
	const unsigned char *p = (const unsigned char *)json;
	int r = json ? 0 : -ENOMEM;

	while (r == 0 && *p) {
		if (*p == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0)) {
			r = buf_printf(out, "\\u%04x", *p == 0x7f ? 0x7fu : p[1]);
			p += *p == 0x7f ? 1 : 2;
		} else if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9)) {
			r = buf_printf(out, "\\u20%02x", p[2] - 0x80u);
			p += 3;
		} else if (p[0] == 0xef && ((p[1] == 0xbf && p[2] >= 0xbe) || (p[1] == 0xbb && p[2] == 0xbf))) {
			r = buf_printf(out, "\\u%04x", p[1] == 0xbb ? 0xfeffu : 0xff40u + p[2]);
			p += 3;
		} else {
			r = buf_append(out, p++, 1);
		}
	}
	return r;
}

static int append_name(struct buf *out, const char *name)
{
	json_auto_t *text = json_string(name);

	for (const char *p = name; *p; p++)
		if (!isascii((unsigned char)*p) || (!isalnum((unsigned char)*p) && *p != '_' && *p != '-') ||
		    (p == name && !isalpha((unsigned char)*p)))
			return append_value(out, text);
	return buf_append_str(out, name);
}

static int append_server(struct buf *out, size_t indent, const char *line, const struct hawserfile_server *s)
{
	int pad = (int)indent, r = buf_printf(out, "%*s", pad, "");
	const char *key;
	json_t *value;

	if (r == 0)
		r = append_name(out, s->name);
	if (r == 0)
		r = buf_printf(out, ":%s%s%s", s->from ? " # " : "", s->from ? s->from : "", line);
	json_object_foreach (s->value, key, value) {
		if (r == 0)
			r = buf_printf(out, "%*s  %s: ", pad, "", key);
		if (r == 0)
			r = append_value(out, value);
		if (r == 0)
			r = buf_append_str(out, line);
	}
	return r;
}

/* One line, so that it can be taken out again. */
static int append_rule(struct buf *out, size_t indent, const char *line, const struct hawserfile_rule *rule)
{
	int r = buf_printf(out, "%*s", (int)indent, "");

	if (r == 0)
		r = policy_put_rule(rule->verdict, rule->glob, rule->from, out);
	return r ? r : buf_append_str(out, line);
}

static int append_rules(struct buf *out, size_t indent, const char *line, const struct hawserfile_addition *a,
			bool allow)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->rule_count; i++)
		if ((strcmp(a->rules[i].verdict, "allow") == 0) == allow)
			r = append_rule(out, indent, line, &a->rules[i]);
	return r;
}

/* ---- where it goes ---- */

struct yaml_edit {
	struct span text;
	struct edit *edit;
	const char *line; /* line break */
};

/* The text goes behind a line; one without a line break gets it first. */
static int insert(const struct yaml_edit *y, size_t at, struct buf *added)
{
	_cleanup_buf_ struct buf out = BUF_INIT(ADDED_MAX + 8);
	_cleanup_free_ char *text = NULL;
	int r = 0;

	if (added->len == 0)
		return 0;
	if (at > 0 && y->text.p[at - 1] != '\n')
		r = buf_append_str(&out, y->line);
	if (r == 0)
		r = buf_append(&out, buf_head(added), added->len);
	text = r == 0 ? buf_steal(&out, NULL) : NULL;
	return text ? edit_splice(y->edit, at, 0, text) : -ENOMEM;
}

/* Takes an empty {} behind the key away, so that lines may follow. */
static int open_block(const struct yaml_edit *y, const struct block *b, const char *key, struct error *err)
{
	size_t at;
	int n = length_of_nothing(y->text, b->rest, b->body, &at);

	if (n < 0)
		return error_set(err, -EINVAL, "%s is not written as indented lines; write it so, and try again", key);
	return n > 0 ? edit_splice(y->edit, at, (size_t)n, "") : 0;
}

static int add_servers(const struct yaml_edit *y, const struct hawserfile_addition *a, struct error *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(ADDED_MAX);
	struct block b = {.end = y->text.len, .inner = 2};
	bool found = find_block(y->text, 0, y->text.len, 0, "mcpServers", &b) ||
		     find_block(y->text, 0, y->text.len, 0, "servers", &b);
	int r = 0;

	if (a->server_count == 0)
		return 0;
	r = found ? open_block(y, &b, "mcpServers", err) : buf_printf(&out, "mcpServers:%s", y->line);
	for (size_t i = 0; r == 0 && i < a->server_count; i++)
		r = append_server(&out, b.inner, y->line, &a->servers[i]);
	return r < 0 ? r : insert(y, b.end, &out);
}

/* The line of a rule; that behind all of them if there is no such. */
static size_t rule_line(struct span text, const struct block *rules, size_t number)
{
	for (size_t line = rules->body, n = 0; line < rules->end; line = line_end(text, line)) {
		size_t indent = indent_of(text, line);

		if (indent == rules->inner && line + indent < text.len && text.p[line + indent] == '-' && n++ == number)
			return line;
	}
	return rules->end;
}

/* policy is there. */
static int add_to_policy(const struct yaml_edit *y, const struct hawserfile_addition *a, const struct block *policy,
			 struct error *err)
{
	_cleanup_buf_ struct buf front = BUF_INIT(ADDED_MAX), one = BUF_INIT(ADDED_MAX), back = BUF_INIT(ADDED_MAX);
	struct block rules = {.end = policy->end, .inner = policy->inner + 2};
	bool found = find_block(y->text, policy->body, policy->end, policy->inner, "rules", &rules);
	int r = open_block(y, policy, "policy", err);

	if (r == 0 && found)
		r = open_block(y, &rules, "policy.rules", err);
	if (r == 0 && !found)
		r = buf_printf(&front, "%*srules:%s", (int)policy->inner, "", y->line);
	if (r == 0)
		r = append_rules(&front, rules.inner, y->line, a, false);
	if (r == 0)
		r = append_rules(&back, rules.inner, y->line, a, true);
	if (r == 0)
		r = insert(y, found ? rules.body : policy->end, &front);
	if (r == 0 && a->rule)
		r = append_rule(&one, rules.inner, y->line, a->rule);
	if (r == 0)
		r = insert(y, found ? rule_line(y->text, &rules, a->above) : policy->end, &one);
	return r < 0 ? r : insert(y, rules.end, &back);
}

static int add_rules(const struct yaml_edit *y, const struct hawserfile_addition *a, struct error *err)
{
	_cleanup_buf_ struct buf out = BUF_INIT(ADDED_MAX);
	struct block policy;
	int r;

	if (a->rule_count == 0 && !a->rule)
		return 0;
	if (find_block(y->text, 0, y->text.len, 0, "policy", &policy))
		return add_to_policy(y, a, &policy, err);
	r = buf_printf(&out, "policy:%s  rules:%s", y->line, y->line);
	for (int allow = 0; r == 0 && allow < 2; allow++)
		r = append_rules(&out, 4, y->line, a, allow == 1);
	if (r == 0 && a->rule)
		r = append_rule(&out, 4, y->line, a->rule);
	return r < 0 ? r : insert(y, y->text.len, &out);
}

static bool is_marker(struct span text, size_t line)
{
	return text.len - line >= 3 && memcmp(text.p + line, "---", 3) == 0;
}

/* An empty {} that is the whole file goes; a file that is written in braces is refused. */
static int open_file(const struct yaml_edit *y, struct error *err)
{
	size_t line = 0, at = 0;
	int n;

	while (line < y->text.len && (says_nothing(y->text, line) || is_marker(y->text, line)))
		line = line_end(y->text, line);
	if (line == y->text.len)
		return 0;
	n = length_of_nothing(y->text, line, line_end(y->text, line), &at);
	if (n < 0 && (y->text.p[at] == '{' || y->text.p[at] == '['))
		return error_set(err, -EINVAL, "the file is not written as indented lines; write it so, and try again");
	return n > 0 ? edit_splice(y->edit, at, (size_t)n, "") : 0;
}

int hawserfile_add_yaml(struct span text, const struct hawserfile_addition *a, struct edit *edit, struct error *err)
{
	struct yaml_edit y = {text, edit, edit_line_break(text)};
	int r = open_file(&y, err);

	if (r == 0)
		r = add_servers(&y, a, err);
	if (r == 0)
		r = add_rules(&y, a, err);
	return r < 0 && !err->code ? error_set(err, r, "too much to add") : r;
}

/* One line of its own goes; that it was all of the rule, whoever writes the file sees by reading the new text. */
int hawserfile_remove_rule_yaml(struct span text, size_t number, struct edit *edit, struct error *err)
{
	struct block policy, rules;
	size_t line;
	int r = 0;

	if (!find_block(text, 0, text.len, 0, "policy", &policy) ||
	    !find_block(text, policy.body, policy.end, policy.inner, "rules", &rules) ||
	    (line = rule_line(text, &rules, number)) == rules.end)
		return error_set(err, -ENOENT, "policy.rules is not written as indented lines, or has no such rule");
	if (number == 0 &&
	    rule_line(text, &rules, 1) == rules.end) /* a list without entries is written in another way */
		r = edit_splice(edit, rules.rest, 0, " []");
	if (r == 0)
		r = edit_splice(edit, line, line_end(text, line) - line, "");
	return r < 0 ? error_set(err, r, "too much to change") : 0;
}
