/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/config-rule.h"

#include "base/file.h"
#include "broker/clientfiles/hawserfile.h"
#include "broker/core/config-tree.h"
#include "policy/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { RULE_TEXT_MAX = 32 << 10 };

static bool is_plain(const char *text)
{
	for (const char *p = text; *p || p == text; p++)
		if (*p <= 0x20 || *p >= 0x7f || strchr("*?", *p))
			return false;
	return strlen(text) < 250;
}

bool config_rule_can_name(const char *server, const char *tool, const char *from)
{
	return strncmp(server, "mcp__", 5) != 0 && is_plain(server) && is_plain(tool) &&
	       !(from && strpbrk(from, "*?")) && strlen(server) + strlen(tool) < 250;
}

/* ---- what the change is to be ---- */

static struct config_node *read_text(bool json, struct span text)
{
	struct config_faults faults = {.text = BUF_INIT(4096)};
	struct config_node *root = json ? config_read_json("", text.p, text.len, &faults)
					: config_read_yaml("", text.p, text.len, &faults);

	config_faults_done(&faults);
	return root;
}

static json_t *json_of(bool json, struct span text)
{
	struct config_node *root = read_text(json, text);
	json_t *value = root && root->kind == CONFIG_OBJECT ? config_node_json(root) : NULL;

	config_node_free(root);
	return value;
}

/* Does the rule allow exactly this, and say nothing else? */
static bool is_exactly(json_t *rule, const char *name, const char **ret_from)
{
	const char *allow = json_string_value(json_object_get(rule, "allow"));

	*ret_from = json_string_value(json_object_get(rule, "from"));
	return allow && strcmp(allow, name) == 0 && json_object_size(rule) == (*ret_from ? 2 : 1);
}

/* Of the user's own servers, before that of the project which is meant, before that of the one project that has such a
 * rule. -ENOENT; -EEXIST: several projects have. */
static int find_rule(json_t *rules, const struct hawserfile_rule *wanted, size_t *ret_at, const char **ret_from)
{
	size_t best = 0, found = 0;

	for (size_t i = 0; i < json_array_size(rules); i++) {
		const char *from;
		size_t grade;

		if (!is_exactly(json_array_get(rules, i), wanted->glob, &from))
			continue;
		grade = !from ? 3 : wanted->from && strcmp(from, wanted->from) == 0 ? 2 : 1;
		found += grade == 1;
		if (grade <= best)
			continue;
		best = grade;
		*ret_at = i;
		*ret_from = from;
	}
	if (best == 0)
		return -ENOENT;
	return best == 1 && found > 1 ? -EEXIST : 0;
}

/* The file as it must read afterwards. NULL: no memory. */
static json_t *with_rule(json_t *before, const struct hawserfile_rule *r, size_t above)
{
	json_auto_t *after = json_deep_copy(before), *rule = hawserfile_rule_json(r);
	json_t *policy = json_object_get(after, "policy"), *rules = json_object_get(policy, "rules");

	if (!json_is_object(policy)) {
		policy = json_object();
		json_object_set_new(after, "policy", policy);
	}
	if (!json_is_array(rules)) {
		rules = json_array();
		json_object_set_new(policy, "rules", rules);
	}
	return rule && json_array_insert(rules, above, rule) == 0 ? TAKE_PTR(after) : NULL;
}

static int without_rule(json_t *before, const struct hawserfile_rule *r, size_t *ret_at, json_t **ret)
{
	json_auto_t *after = json_deep_copy(before);
	json_t *rules = json_object_get(json_object_get(after, "policy"), "rules");
	const char *from;
	int found = find_rule(rules, r, ret_at, &from);

	if (found < 0)
		return found;
	if (json_array_remove(rules, *ret_at) < 0)
		return -ENOTSUP;
	*ret = TAKE_PTR(after);
	return 0;
}

/* ---- the text ---- */

int config_rule_edit(bool json, bool add, struct span text, const struct config_rule *what, struct buf *out)
{
	const struct hawserfile_rule rule = {.verdict = "allow", .glob = what->name, .from = what->from};
	size_t above = what->above;
	json_auto_t *before = json_of(json, text), *expected = NULL, *after = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (!before)
		return -ENOTSUP;
	if (add)
		r = (expected = with_rule(before, &rule, above)) ? 0 : -ENOTSUP;
	else
		r = without_rule(before, &rule, &above, &expected);
	if (r < 0)
		return r;
	r = add ? hawserfile_add(text, !json, &(struct hawserfile_addition){.rule = &rule, .above = above}, out, &err)
		: hawserfile_remove_rule(text, !json, above, out, &err);
	if (r < 0)
		return -ENOTSUP;
	after = json_of(json, span_of(buf_head(out), out->len));
	return after && json_equal(after, expected) ? 0 : -ENOTSUP;
}

/* ---- the file ---- */

static int read_file(const char *path, struct buf *out, struct stat *ret_st, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint8_t *room;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, -errno, "reading %s", path);
	room = S_ISREG(st.st_mode) ? buf_reserve(out, CONFIG_FILE_MAX) : NULL;
	if (!room || st.st_size >= CONFIG_FILE_MAX || read(fd, room, CONFIG_FILE_MAX) != st.st_size)
		return error_set(err, -EIO, "reading %s: it is no file of less than %d bytes", path, CONFIG_FILE_MAX);
	buf_commit(out, (size_t)st.st_size);
	*ret_st = st;
	return 0;
}

static bool is_json(const char *path)
{
	size_t n = strlen(path);

	return n > 5 && strcmp(path + n - 5, ".json") == 0;
}

/* The rule that would be taken out, or is to be put in. */
static int put_rule(const char *path, bool add, struct span text, const struct config_rule *what, struct buf *out)
{
	const struct hawserfile_rule wanted = {.verdict = "allow", .glob = what->name, .from = what->from};
	json_auto_t *root = add ? NULL : json_of(is_json(path), text);
	const char *from = what->from;
	size_t at;

	if (!add && find_rule(json_object_get(json_object_get(root, "policy"), "rules"), &wanted, &at, &from) < 0)
		from = NULL;
	return policy_put_rule("allow", what->name, from, out);
}

/* What to do instead. */
static int tell_by_hand(const char *path, bool add, struct span text, const struct config_rule *what, struct error *err)
{
	_cleanup_buf_ struct buf rule = BUF_INIT(RULE_TEXT_MAX);
	int r = put_rule(path, add, text, what, &rule);

	if (r < 0)
		return error_set(err, r, "%s is written in a way that needs a hand", path);
	if (add)
		return error_set(err, -ENOTSUP,
				 "%s is written in a way that needs a hand: add to policy.rules, as number %zu: %.*s",
				 path, what->above, (int)rule.len, (const char *)buf_head(&rule));
	return error_set(err, -ENOTSUP, "%s is written in a way that needs a hand: take out of policy.rules: %.*s",
			 path, (int)rule.len, (const char *)buf_head(&rule));
}

static int change_file(const char *path, bool add, const struct config_rule *rule, struct error *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(CONFIG_FILE_MAX), out = BUF_INIT(CONFIG_FILE_MAX);
	char real[PATH_MAX];
	struct stat st = {0};
	int r;

	if (!realpath(path, real)) /* one that is a link stays one */
		return error_set_errno(err, -errno, "reading %s", path);
	r = read_file(real, &text, &st, err);
	if (r < 0)
		return r;
	r = config_rule_edit(is_json(path), add, span_of(buf_head(&text), text.len), rule, &out);
	if (r == -ENOENT)
		return error_set(err, r, "%s has no rule that allows exactly %s", path, rule->name);
	if (r == -EEXIST)
		return error_set(err, r,
				 "%s has rules of several projects that allow exactly %s; say it in the folder of "
				 "the project, or take one out by hand",
				 path, rule->name);
	if (r < 0)
		return tell_by_hand(path, add, span_of(buf_head(&text), text.len), rule, err);
	return file_replace(real, NULL, &out, &(struct file_owner){st.st_mode & 07777, st.st_uid, st.st_gid}, err);
}

int config_rule_add(const char *path, const struct config_rule *rule, struct error *err)
{
	return change_file(path, true, rule, err);
}

int config_rule_remove(const char *path, const struct config_rule *rule, struct error *err)
{
	return change_file(path, false, rule, err);
}
