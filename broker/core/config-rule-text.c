/* SPDX-License-Identifier: Apache-2.0 */
/* Where in the text of a file the rule goes. Whether the place was right, config_rule_edit() sees by reading again. */
#include "broker/core/config-rule.h"
#include "broker/core/config-tree.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* text[0, at) + added + text[at + cut, end) */
static int splice(struct buf *out, struct span text, size_t at, size_t cut, const struct buf *added)
{
	int r = buf_append(out, text.p, at);

	if (r == 0 && added->len)
		r = buf_append(out, buf_head(added), added->len);
	return r ? r : buf_append(out, text.p + at + cut, text.len - at - cut);
}

/* ---- JSON: exact places ---- */

static size_t place(struct span text, struct span inner)
{
	return (size_t)(inner.p - text.p);
}

/* Blanks between the beginning of its line and at; SIZE_MAX: something else stands there too. */
static size_t indent_before(struct span text, size_t at)
{
	size_t n = 0;

	while (n < at && (text.p[at - n - 1] == ' ' || text.p[at - n - 1] == '\t'))
		n++;
	return n < at && text.p[at - n - 1] == '\n' ? n : SIZE_MAX;
}

static struct span element(struct span array, size_t number)
{
	struct span item = SPAN_NONE;
	size_t at = 0, i = 0;

	while (span_next_element(array, &at, &item))
		if (i++ == number)
			return item;
	return SPAN_NONE;
}

static bool is_empty(struct span collection)
{
	size_t i = 1;

	while (i < collection.len && isspace((unsigned char)collection.p[i]))
		i++;
	return i + 1 == collection.len;
}

static int put_rule(struct buf *out, const char *name)
{
	int r = buf_append_str(out, "{\"allow\": ");

	if (r == 0)
		r = buf_append_json(out, name, strlen(name));
	return r ? r : buf_append_str(out, "}");
}

static int add_json(struct span text, struct span root, const char *name, size_t above, struct buf *out)
{
	struct span policy = span_member(root, "policy"), rules = span_member(policy, "rules");
	struct span outer = rules.p ? rules : policy.p ? policy : root, next = element(rules, above);
	size_t indent = next.p ? indent_before(text, place(text, next)) : SIZE_MAX;
	_cleanup_buf_ struct buf added = BUF_INIT(4096);
	int r = 0;

	if (!rules.p)
		r = buf_append_str(&added, policy.p ? "\"rules\": [" : "\n  \"policy\": {\"rules\": [");
	if (r == 0)
		r = put_rule(&added, name);
	if (r == 0 && !rules.p)
		r = buf_append_str(&added, policy.p ? "]" : "]}");
	if (r == 0 && indent != SIZE_MAX)
		r = buf_printf(&added, ",\n%.*s", (int)indent, next.p - indent);
	else if (r == 0 && !is_empty(outer))
		r = buf_append_str(&added, policy.p ? ", " : ",");
	return r ? r : splice(out, text, next.p ? place(text, next) : place(text, outer) + 1, 0, &added);
}

static int remove_json(struct span text, struct span root, size_t number, struct buf *out)
{
	struct span rules = span_member(span_member(root, "policy"), "rules"), item = element(rules, number);
	struct span before = number ? element(rules, number - 1) : SPAN_NONE, behind = element(rules, number + 1);
	static const struct buf nothing = BUF_INIT(0);
	size_t from, to;

	if (!item.p)
		return -ENOENT;
	from = place(text, item);
	to = behind.p ? place(text, behind) : from + item.len;
	if (!behind.p && before.p)
		from = place(text, before) + before.len;
	return splice(out, text, from, to - from, &nothing);
}

int config_rule_edit_json(bool add, struct span text, const char *name, size_t number, struct buf *out)
{
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span root;
	int r = span_check(text, true, &root, &err);

	if (r < 0)
		return r;
	return add ? add_json(text, root, name, number, out) : remove_json(text, root, number, out);
}

/* ---- YAML: whole lines ---- */

/* Where line number (from 1) begins; the text's length if it has no such line. */
static size_t line_start(struct span text, int number)
{
	const char *p = text.p, *end = text.p + text.len;

	for (int i = 1; i < number && p && p < end; i++) {
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : end;
	}
	return (size_t)(p - text.p);
}

static int put_name(struct buf *out, const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";

	if (isalpha((unsigned char)name[0]) && strspn(name, plain) == strlen(name))
		return buf_append_str(out, name);
	return buf_append_json(out, name, strlen(name));
}

static int put_line(struct buf *out, size_t indent, const char *before, const char *name)
{
	int r = buf_printf(out, "%*s%s", (int)indent, "", before);

	if (r == 0 && name)
		r = put_name(out, name);
	return r ? r : buf_append_str(out, "\n");
}

static size_t blanks(struct span text, size_t at)
{
	size_t n = 0;

	while (at + n < text.len && text.p[at + n] == ' ')
		n++;
	return n;
}

static const struct config_node *nth(const struct config_node *rules, size_t number)
{
	const struct config_node *item = rules ? rules->first : NULL;

	for (size_t i = 0; item && i < number; i++)
		item = item->next;
	return item;
}

static int add_yaml(struct span text, const struct config_node *root, const char *name, size_t above, struct buf *out)
{
	const struct config_node *policy = config_node_member(root, "policy");
	const struct config_node *rules = policy ? config_node_member(policy, "rules") : NULL;
	const struct config_node *next = nth(rules, above);
	_cleanup_buf_ struct buf added = BUF_INIT(4096);
	size_t at = text.len, indent;
	int r = 0;

	if (next) {
		at = line_start(text, next->line);
		r = put_line(&added, blanks(text, at), "- allow: ", name);
	} else if (policy && policy->first && !rules) {
		at = line_start(text, policy->first->key_line);
		indent = blanks(text, at);
		r = put_line(&added, indent, "rules:", NULL);
		if (r == 0)
			r = put_line(&added, indent + 2, "- allow: ", name);
	} else if (!policy) {
		r = text.len && text.p[text.len - 1] != '\n' ? buf_append_str(&added, "\n") : 0;
		if (r == 0)
			r = buf_append_str(&added, "\npolicy:\n  rules:\n");
		if (r == 0)
			r = put_line(&added, 4, "- allow: ", name);
	} else {
		return -ENOTSUP;
	}
	return r ? r : splice(out, text, at, 0, &added);
}

static int remove_yaml(struct span text, const struct config_node *root, size_t number, struct buf *out)
{
	const struct config_node *policy = config_node_member(root, "policy");
	const struct config_node *rules = policy ? config_node_member(policy, "rules") : NULL;
	const struct config_node *item = nth(rules, number);
	_cleanup_buf_ struct buf added = BUF_INIT(256);
	size_t at, cut;
	int r = 0;

	if (!item)
		return -ENOENT;
	at = line_start(text, item->line);
	cut = line_start(text, item->line + 1) - at;
	if (rules->count == 1 && rules->key_line < item->line) { /* a list without entries is written in another way */
		size_t key = line_start(text, rules->key_line);

		r = put_line(&added, blanks(text, key), "rules: []", NULL);
		cut += at - key;
		at = key;
	}
	return r ? r : splice(out, text, at, cut, &added);
}

int config_rule_edit_yaml(bool add, struct span text, const char *name, size_t number, struct buf *out)
{
	struct config_faults faults = {.text = BUF_INIT(4096)};
	struct config_node *root = config_read_yaml("", text.p, text.len, &faults);
	int r = -ENOTSUP;

	if (root && root->kind == CONFIG_OBJECT)
		r = add ? add_yaml(text, root, name, number, out) : remove_yaml(text, root, number, out);
	config_node_free(root);
	config_faults_done(&faults);
	return r;
}
