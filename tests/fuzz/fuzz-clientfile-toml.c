/* SPDX-License-Identifier: Apache-2.0 */
/* Codex's file: ranges are in order and inside, and without them no server is left. The same bytes as hawser.yaml. */
#include "broker/clientfiles/edit.h"
#include "broker/clientfiles/hawserfile.h"
#include "broker/clientfiles/toml.h"
#include "tests/fuzz/fuzz.h"

static void take_out(struct span text, const struct toml *toml)
{
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 22);
	_cleanup_error_ struct error err = ERROR_INIT;
	_cleanup_edit_ struct edit edit = {0};
	struct toml rest;

	for (size_t i = 0; i < toml->range_count; i++) {
		const struct toml_range *range = &toml->ranges[i];

		FUZZ_CHECK(range->from < range->to && range->to <= text.len && range->server < toml->count);
		FUZZ_CHECK(i == 0 || toml->ranges[i - 1].to <= range->from);
		if (edit_splice(&edit, range->from, range->to - range->from, "") < 0)
			return;
	}
	FUZZ_CHECK(edit_apply(&edit, text, &out) == 0);
	if (toml_read(span_of(out.len ? (const char *)buf_head(&out) : "", out.len), "mcp_servers", &rest, &err) == 0) {
		FUZZ_CHECK(rest.count == 0);
		toml_done(&rest);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_auto_t *value = json_pack("{s:s}", "command", "c");
	const struct hawserfile_server server = {"new", value, "C"};
	const struct hawserfile_rule rules[] = {{.verdict = "deny", .glob = "a.b"},
						{.verdict = "allow", .glob = "c.d"}};
	const struct hawserfile_addition a = {
		.servers = &server, .server_count = 1, .rules = rules, .rule_count = 2, .rule = &rules[1], .above = 1};
	struct span text = span_of(size ? (const char *)data : "", size);
	_cleanup_error_ struct error err = ERROR_INIT, other = ERROR_INIT;
	_cleanup_buf_ struct buf out = BUF_INIT(1 << 22);
	struct toml toml;

	if (toml_read(text, "mcp_servers", &toml, &err) == 0) {
		take_out(text, &toml);
		toml_done(&toml);
	}
	if (hawserfile_add(text, true, &a, &out, &other) == 0)
		FUZZ_CHECK(out.len > size);
	return 0;
}
