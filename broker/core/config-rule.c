/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/core/config-rule.h"

#include "base/file.h"
#include "broker/clientfiles/hawserfile.h"
#include "broker/core/config-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

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

static struct config_node *read_text(bool is_json, struct span text)
{
	struct config_faults faults = {.text = BUF_INIT(4096)};
	struct config_node *root = is_json ? config_read_json("", text.p, text.len, &faults)
					   : config_read_yaml("", text.p, text.len, &faults);

	config_faults_done(&faults);
	return root;
}

static json_t *json_of(bool is_json, struct span text)
{
	struct config_node *root = read_text(is_json, text);
	json_t *value = root && root->kind == CONFIG_OBJECT ? config_node_json(root) : NULL;

	config_node_free(root);
	return value;
}

/* The rule that allows exactly this and says nothing else; of the user's own servers, before those of projects. */
static ssize_t find_rule(json_t *rules, const char *name)
{
	for (size_t keys = 1; keys <= 2; keys++)
		for (size_t i = 0; i < json_array_size(rules); i++) {
			json_t *rule = json_array_get(rules, i);
			const char *allow = json_string_value(json_object_get(rule, "allow"));

			if (allow && strcmp(allow, name) == 0 && json_object_size(rule) == keys &&
			    (keys == 1 || json_object_get(rule, "from")))
				return (ssize_t)i;
		}
	return -1;
}

/* The file as it must read afterwards; *at is where in the rules. NULL: there is nothing to take out. */
static json_t *expected_of(json_t *before, bool add, const struct hawserfile_rule *r, size_t *at)
{
	json_auto_t *after = json_deep_copy(before), *rule = hawserfile_rule_json(r);
	json_t *policy = json_object_get(after, "policy"), *rules = json_object_get(policy, "rules");
	ssize_t found;

	if (!add) {
		found = find_rule(rules, r->glob);
		*at = (size_t)found;
		return found >= 0 && json_array_remove(rules, (size_t)found) == 0 ? TAKE_PTR(after) : NULL;
	}
	if (!json_is_object(policy)) {
		policy = json_object();
		json_object_set_new(after, "policy", policy);
	}
	if (!json_is_array(rules)) {
		rules = json_array();
		json_object_set_new(policy, "rules", rules);
	}
	if (!rule || json_array_insert(rules, *at, rule) < 0)
		return NULL;
	return TAKE_PTR(after);
}

/* ---- the text ---- */

int config_rule_edit(bool is_json, bool add, struct span text, const struct config_rule *what, struct buf *out)
{
	const struct hawserfile_rule rule = {.verdict = "allow", .glob = what->name, .from = what->from};
	size_t above = what->above;
	json_auto_t *before = json_of(is_json, text), *expected = NULL, *after = NULL;
	_cleanup_error_ struct error err = ERROR_INIT;
	int r;

	if (!before)
		return -ENOTSUP;
	expected = expected_of(before, add, &rule, &above);
	if (!expected)
		return add ? -ENOTSUP : -ENOENT;
	r = add ? hawserfile_add(text, !is_json, &(struct hawserfile_addition){.rule = &rule, .above = above}, out,
				 &err)
		: hawserfile_remove_rule(text, !is_json, above, out, &err);
	if (r < 0)
		return -ENOTSUP;
	after = json_of(is_json, span_of(buf_head(out), out->len));
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

static int change_file(const char *path, bool add, const struct config_rule *rule, struct error *err)
{
	_cleanup_buf_ struct buf text = BUF_INIT(CONFIG_FILE_MAX), out = BUF_INIT(CONFIG_FILE_MAX);
	size_t n = strlen(path);
	char real[PATH_MAX];
	struct stat st = {0};
	int r;

	if (!realpath(path, real)) /* one that is a link stays one */
		return error_set_errno(err, -errno, "reading %s", path);
	r = read_file(real, &text, &st, err);
	if (r < 0)
		return r;
	r = config_rule_edit(n > 5 && strcmp(path + n - 5, ".json") == 0, add, span_of(buf_head(&text), text.len), rule,
			     &out);
	if (r == -ENOENT)
		return error_set(err, r, "%s has no rule that allows exactly %s", path, rule->name);
	if (r < 0 && add)
		return error_set(err, r,
				 "%s is written in a way that needs a hand: add to policy.rules, as number %zu: "
				 "- allow: %s%s%s",
				 path, rule->above, rule->name, rule->from ? " with from: " : "",
				 rule->from ? rule->from : "");
	if (r < 0)
		return error_set(err, r,
				 "%s is written in a way that needs a hand: take out of policy.rules: - allow: %s",
				 path, rule->name);
	return file_replace(real, NULL, &out, &(struct file_owner){st.st_mode & 07777, st.st_uid, st.st_gid}, err);
}

int config_rule_add(const char *path, const struct config_rule *rule, struct error *err)
{
	return change_file(path, true, rule, err);
}

int config_rule_remove(const char *path, const char *name, struct error *err)
{
	return change_file(path, false, &(struct config_rule){.name = name}, err);
}
