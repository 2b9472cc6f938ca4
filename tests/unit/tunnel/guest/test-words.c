/* SPDX-License-Identifier: Apache-2.0 */
/* The first and the last words of a run. */
#include "tests/unit/unit.h"

#include "tunnel/guest/runs.h"

#include <stdio.h>
#include <stdlib.h>

#include <signal.h>
#include <string.h>

static void run_clear(struct run *run)
{
	free(run->id);
	free(run->file);
	*run = (struct run){0};
}

static int read_head(struct run *run, const char *text)
{
	struct error err = ERROR_INIT;
	int r = run_read_head(run, span_of(text, strlen(text)), &err);

	error_done(&err);
	return r;
}

static void test_a_head_with_all(void **state)
{
	struct run run = {0};

	(void)state;
	assert_int_equal(
		read_head(&run,
			  "{\"kind\":\"run\",\"run\":\"r1\",\"language\":\"python\",\"file\":\"a.py\",\"more\":[1],"
			  "\"limits\":{\"wall_ms\":5,\"output\":0,\"calls_open\":1}}"),
		0);
	assert_string_equal(run.id, "r1");
	assert_string_equal(run.file, "a.py");
	assert_int_equal(run.language, LANGUAGE_PYTHON);
	assert_int_equal(run.limits.wall_ms, 5);
	assert_int_equal(run.limits.output, 0);
	assert_int_equal(run.limits.cpu_ms, 60000);
	assert_int_equal(run.limits.memory, 512u << 20);
	run_clear(&run);
}

static void test_names_of_files(void **state)
{
	static const char *const rows[] = {"../x", "a/b", "", ".", ".bashrc", "-c", "a b", "x\\u0000", "x\\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run run = {0};
		char text[128];

		snprintf(text, sizeof(text), "{\"run\":\"r\",\"language\":\"bash\",\"file\":\"%s\"}", rows[i]);
		assert_int_equal(read_head(&run, text), 0);
		assert_string_equal(run.file, "main.sh");
		run_clear(&run);
	}
}

static void test_bad_heads(void **state)
{
	static const char *const rows[] = {
		"",
		"[]",
		"{}",
		"{\"run\":\"r\"}",
		"{\"run\":\"r\",\"language\":\"ruby\"}",
		"{\"run\":1,\"language\":\"bash\"}",
		"{\"run\":\"r\",\"run\":\"s\",\"language\":\"bash\"}",
		"{\"run\":\"r\",\"language\":\"bash\",\"limits\":{\"wall_ms\":0}}",
		"{\"run\":\"r\",\"language\":\"bash\",\"limits\":{\"wall_ms\":1.5}}",
		"{\"run\":\"r\",\"language\":\"bash\",\"limits\":{\"wall_ms\":\"9\"}}",
		"{\"run\":\"r\",\"language\":\"bash\",\"limits\":{\"processes\":99999999999999999999}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run run = {0};

		if (read_head(&run, rows[i]) >= 0)
			fail_msg("taken: %s", rows[i]);
		run_clear(&run);
	}
}

/* exit_status as of wait(): signal in the low bits, status in the next byte. */
static void test_tails(void **state)
{
	static char thrown[] = "{\"kind\":\"exception\"}";
	static const struct {
		enum run_verdict verdict;
		const char *reason;
		bool said;
		char *error;
		int status;
		const char *words; /* of stderr */
		uint64_t rss;
		const char *begins;
	} rows[] = {
		{RUN_JUDGED_BY_EXIT, NULL, true, NULL, 0, "", 0, "{\"status\":\"ok\",\"exit_code\":0,\"usage\""},
		{RUN_JUDGED_BY_EXIT, NULL, true, thrown, 1 << 8, "", 0,
		 "{\"status\":\"error\",\"reason\":\"exception\",\"exit_code\":1,\"error\":{\"kind\":\"exception\"},"
		 "\"usage\""},
		{RUN_JUDGED_BY_EXIT, NULL, false, NULL, 0, "", 0, "{\"status\":\"ok\",\"exit_code\":0,"},
		{RUN_JUDGED_BY_EXIT, NULL, false, NULL, 3 << 8, "", 0,
		 "{\"status\":\"error\",\"reason\":\"exit\",\"exit_code\":3,\"error\":{\"kind\":\"exit\","},
		{RUN_JUDGED_BY_EXIT, NULL, false, NULL, SIGSEGV, "", 0,
		 "{\"status\":\"killed\",\"reason\":\"signal\",\"exit_code\":139,\"signal\":11,\"error\":{\"kind\":"
		 "\"signal\","},
		{RUN_JUDGED_BY_EXIT, NULL, false, NULL, SIGABRT, "FATAL ERROR: heap out of memory", 0,
		 "{\"status\":\"killed\",\"reason\":\"memory\",\"exit_code\":134,\"signal\":6,\"error\":{\"kind\":"
		 "\"memory\","},
		{RUN_JUDGED_BY_EXIT, NULL, false, NULL, SIGKILL, "", 400u << 20,
		 "{\"status\":\"killed\",\"reason\":\"memory\",\"exit_code\":137,"},
		{RUN_JUDGED_BY_EXIT, NULL, false, NULL, SIGKILL, "", 10u << 20,
		 "{\"status\":\"killed\",\"reason\":\"signal\",\"exit_code\":137,"},
		{RUN_JUDGED_BY_EXIT, NULL, false, NULL, SIGABRT, "terminate called", 490u << 20,
		 "{\"status\":\"killed\",\"reason\":\"memory\",\"exit_code\":134,"},
		{RUN_JUDGED_BY_EXIT, NULL, false, NULL, SIGSEGV, "", 490u << 20,
		 "{\"status\":\"killed\",\"reason\":\"memory\",\"exit_code\":139,"},
		{RUN_TIMEOUT, "wall", false, NULL, SIGKILL, "", 0,
		 "{\"status\":\"timeout\",\"reason\":\"wall\",\"exit_code\":137,"},
		{RUN_TIMEOUT, "cpu", true, thrown, SIGKILL, "", 0,
		 "{\"status\":\"timeout\",\"reason\":\"cpu\",\"exit_code\":137,\"signal\":9,\"error\":{\"kind\":"
		 "\"timeout\","},
		{RUN_CANCELLED, "budget", false, NULL, SIGKILL, "", 0,
		 "{\"status\":\"cancelled\",\"reason\":\"budget\","},
		{RUN_FAILED, "shim", false, thrown, SIGKILL, "", 0, "{\"status\":\"error\",\"reason\":\"shim\","},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct run run = {.verdict = rows[i].verdict,
				  .reason = rows[i].reason,
				  .shim_said_end = rows[i].said,
				  .error_json = rows[i].error,
				  .exited = true,
				  .exit_status = rows[i].status,
				  .max_rss = rows[i].rss,
				  .limits = {.memory = 512u << 20, .wall_ms = 1, .cpu_ms = 1},
				  .started_ms = 10,
				  .ended_ms = 15};
		struct buf out = BUF_INIT(16384);
		struct error err = ERROR_INIT;

		run.stderr_len = strlen(rows[i].words);
		memcpy(run.stderr_tail, rows[i].words, run.stderr_len);
		assert_int_equal(run_tail_json(&run, &out), 0);
		assert_int_equal(span_check(span_of(buf_head(&out), out.len), true, NULL, &err), 0);
		if (out.len < strlen(rows[i].begins) ||
		    memcmp(buf_head(&out), rows[i].begins, strlen(rows[i].begins)) != 0)
			fail_msg("%.*s\ninstead of %s", (int)out.len, (char *)buf_head(&out), rows[i].begins);
		assert_non_null(memmem(buf_head(&out), out.len, "\"wall_ms\":5,", 12));
		buf_done(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_head_with_all),
		cmocka_unit_test(test_names_of_files),
		cmocka_unit_test(test_bad_heads),
		cmocka_unit_test(test_tails),
	};

	return cmocka_run_group_tests_name("tunnel/guest/words", tests, NULL, NULL);
}
