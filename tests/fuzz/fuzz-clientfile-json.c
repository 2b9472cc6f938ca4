/* SPDX-License-Identifier: Apache-2.0 */
/* A client's JSON file: blanking keeps length and lines, and what edits leave is JSON again with the same values. */
#include "broker/clientfiles/edit.h"
#include "broker/clientfiles/hawserfile.h"
#include "broker/clientfiles/jsonc.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

static bool goes(void *user, struct span key)
{
	return key.len % 2 == *(const size_t *)user;
}

/* The values that stay, one behind the other. */
static void collect(struct span object, const size_t *odd, struct buf *out)
{
	struct span key, value;
	size_t at = 0;

	while (span_next_member(object, &at, &key, &value))
		if (!goes((void *)(uintptr_t)odd, key))
			FUZZ_CHECK(buf_append(out, value.p, value.len) == 0);
}

/* In a file that nobody edited since: every key is there again, and a second time changes nothing. */
static void take_back(struct span before, struct span after)
{
	_cleanup_buf_ struct buf once = BUF_INIT(1 << 22), twice = BUF_INIT(1 << 22), plain = BUF_INIT(1 << 22);
	_cleanup_buf_ struct buf old = BUF_INIT(1 << 22);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span root, was, key, value;
	size_t at = 0;

	if (json_edit_back(before, after, after, &once, &err) < 0)
		return; /* too much of something */
	FUZZ_CHECK(jsonc_plain(span_of(buf_head(&once), once.len), &plain, &root, &err) == 0);
	FUZZ_CHECK(jsonc_plain(before, &old, &was, &err) == 0);
	while (span_next_member(was, &at, &key, &value)) {
		_cleanup_free_ char *name = span_strdup(key, 4096);

		FUZZ_CHECK(!name || span_member(root, name).p);
	}
	FUZZ_CHECK(json_edit_back(before, after, span_of(buf_head(&once), once.len), &twice, &err) == 0);
	FUZZ_CHECK(once.len == twice.len && memcmp(buf_head(&once), buf_head(&twice), once.len) == 0);
}

static void remove_members(struct span text, struct span plain, struct span root, size_t odd, const char *instead)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 22), again = BUF_INIT(1 << 22);
	_cleanup_buf_ struct buf before = BUF_INIT(1 << 22), after = BUF_INIT(1 << 22);
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_edit_ struct edit edit = {0};
	const struct json_edit j = {text, plain, &edit};
	struct span rest;

	if (json_edit_remove(&j, root, goes, &odd, &instead, instead ? 1 : 0) < 0)
		return; /* too many */
	FUZZ_CHECK(edit_apply(&edit, text, &out) == 0);
	FUZZ_CHECK(jsonc_plain(span_of(buf_head(&out), out.len), &again, &rest, &err) == 0);
	take_back(text, span_of(buf_head(&out), out.len));
	collect(root, &odd, &before);
	collect(rest, &odd, &after);
	if (!instead)
		FUZZ_CHECK(before.len == after.len &&
			   (before.len == 0 || memcmp(buf_head(&before), buf_head(&after), before.len) == 0));
}

static void add_members(struct span text)
{
	json_auto_t *value = json_pack("{s:s}", "command", "c");
	const struct hawserfile_server server = {"new", value, NULL};
	const struct hawserfile_rule rules[] = {{.verdict = "deny", .glob = "a.b"},
						{.verdict = "allow", .glob = "c.d"}};
	const struct hawserfile_addition a = {
		.servers = &server, .server_count = 1, .rules = rules, .rule_count = 2, .rule = &rules[1], .above = 1};
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 22), plain = BUF_INIT(1 << 22), less = BUF_INIT(1 << 22);
	_cleanup_error_ struct error err = ERROR_INIT;
	struct span root;

	if (hawserfile_add(text, false, &a, &out, &err) < 0)
		return;
	FUZZ_CHECK(jsonc_plain(span_of(buf_head(&out), out.len), &plain, &root, &err) == 0);
	FUZZ_CHECK(span_member(root, "policy").p);
	buf_clear(&plain);
	FUZZ_CHECK(hawserfile_remove_rule(span_of(buf_head(&out), out.len), false, 1, &less, &err) == 0);
	FUZZ_CHECK(jsonc_plain(span_of(buf_head(&less), less.len), &plain, &root, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(size ? (const char *)data : "", size), root;
	_cleanup_buf_ struct buf plain = BUF_INIT(1 << 22);
	_cleanup_error_ struct error err = ERROR_INIT;

	if (jsonc_plain(text, &plain, &root, &err) < 0)
		return 0;
	FUZZ_CHECK(plain.len == size);
	for (size_t i = 0; i < size; i++)
		FUZZ_CHECK((data[i] == '\n') == (buf_head(&plain)[i] == '\n'));
	if (span_type(root) != SPAN_OBJECT)
		return 0;
	remove_members(text, span_of(buf_head(&plain), plain.len), root, 0, NULL);
	remove_members(text, span_of(buf_head(&plain), plain.len), root, 1, NULL);
	remove_members(text, span_of(buf_head(&plain), plain.len), root, 1, "\"h\": {}");
	add_members(text);
	return 0;
}
